"""Where texts are, in all processes that this one started: the programs inside a sandbox, found by their process id
namespace, and fumehood's own outside. Of each process the variables it began with, its command line, and every page of
memory that can be read; of the sandbox also every file that its programs see. Needs to be privileged over them."""

import os, re

# Of the host's, shown read-only, and as long as a system.
HOSTS_OWN = ("/proc", "/sys", "/dev", "/usr", "/lib", "/lib64", "/bin", "/sbin", "/opt")
STEP = 1 << 20
PAGE = os.sysconf("SC_PAGE_SIZE")


def children():
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    parents.setdefault(int(file.read().rsplit(")", 1)[1].split()[1]), []).append(int(name))
            except OSError:
                pass
    return parents


def descendants(of):
    parents, found, left = children(), [], [of]
    while left:
        new = parents.get(left.pop(), [])
        found += new
        left += new
    return found


def held(texts, data):
    return {name for name, text in texts.items() if text in data}


def read(path, size=-1):
    try:
        with open(path, "rb") as file:
            return file.read(size)
    except OSError:
        return b""


def touched(pages, at, length):
    """Whether one of these pages is in memory or swapped out (Linux: admin-guide/mm/pagemap). What is not holds nothing that
    the program wrote, and runtimes reserve more of it than can be read."""
    pages.seek(at // PAGE * 8)
    return max(pages.read(length // PAGE * 8)[7::8], default=0) >= 0x40


def in_memory(pid, texts):
    """Which are there, and how many bytes were looked at."""
    there, seen, longest = set(), 0, max(map(len, texts.values()))
    try:
        memory = open(f"/proc/{pid}/mem", "rb", buffering=0)
    except OSError:
        return there, 0
    with memory, open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pages:
        for line in read(f"/proc/{pid}/maps").decode("latin-1").splitlines():
            begin, end, rights = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line).groups()
            if rights[0] != "r" or "[v" in line:
                continue
            begin, end, before = int(begin, 16), int(end, 16), b""
            for at in range(begin, end, STEP):
                try:
                    if not touched(pages, at, min(STEP, end - at)):
                        before = b""
                        continue
                    memory.seek(at)
                    data = memory.read(min(STEP, end - at))
                except (OSError, ValueError, OverflowError):
                    before = b""
                    continue
                seen += len(data)
                there |= held(texts, before + data)
                before = data[-longest:]
    return there, seen


def in_files(root, texts, kept):
    found, seen, longest = {name: [] for name in texts}, 0, max(map(len, texts.values()))
    for folder, folders, names in os.walk(root):
        inside = folder[len(root):] or "/"
        folders[:] = [f for f in folders if os.path.join(inside, f) not in HOSTS_OWN and os.path.join(inside, f) not in kept]
        for path in (os.path.join(folder, name) for name in names):
            if os.path.islink(path) or not os.path.isfile(path):
                continue
            seen += 1
            try:
                with open(path, "rb") as file:
                    before = b""
                    while data := file.read(STEP):
                        for name in held(texts, before + data):
                            found[name].append(path[len(root):])
                        before = data[-longest:]
            except OSError:
                pass
    return found, seen


def everything(texts, kept=()):
    """For each text by its name: `inside` and `outside`, the processes in which it is, and `files` of the sandbox. `searched`:
    how many processes there were, and of which none of the memory could be read."""
    own = os.readlink("/proc/self/ns/pid")
    out = {name: {"inside": [], "outside": []} for name in texts}
    searched = {"inside": 0, "outside": 0, "unread": [], "megabytes": 0}
    root = None
    for pid in descendants(os.getpid()):
        try:
            where = "outside" if os.readlink(f"/proc/{pid}/ns/pid") == own else "inside"
        except OSError:
            continue
        process = read(f"/proc/{pid}/comm").decode().strip()
        there, seen = in_memory(pid, texts)
        for what in ("environ", "cmdline"):
            there |= held(texts, read(f"/proc/{pid}/{what}"))
        searched[where] += 1
        searched["megabytes"] += seen >> 20
        if not seen:
            searched["unread"].append(f"{where} {process}")
        for name in there:
            out[name][where].append(process)
        if where == "inside":
            root = root or f"/proc/{pid}/root"
    files, searched["files"] = in_files(root, texts, kept) if root else ({}, 0)
    for name in texts:
        out[name]["files"] = files.get(name, [])
    return {**out, "searched": searched}
