"""Screens that look the same, made equal: `tmux capture-pane -e` on standard input becomes one line
a row, each run of characters with its attributes, blanks at the end left out. The capture itself
says also by which way the attributes came about, and carries them from row to row."""

import re
import sys

attributes = {}
for row in sys.stdin.read().split("\n"):
    runs = []
    for escape, text in re.findall(r"\x1b\[([0-9;:]*)m|([^\x1b]+)", row):
        if text:
            runs.append((tuple(sorted(attributes.values())), text))
            continue
        codes = [int(code or 0) for code in re.split("[;:]", escape)]
        while codes:
            code = codes.pop(0)
            if code == 0:
                attributes = {}
            elif code in (38, 48):
                taken, codes = (codes[:2], codes[2:]) if codes[0] == 5 else (codes[:4], codes[4:])
                attributes[code] = (code, *taken)
            elif 30 <= code <= 37 or 90 <= code <= 97:
                attributes[38] = (code,)
            elif 40 <= code <= 47 or 100 <= code <= 107:
                attributes[48] = (code,)
            elif code in (39, 49):
                attributes.pop(code - 1, None)
            elif 21 < code < 30:
                for set_by in {22: (1, 2)}.get(code, (code - 20,)):
                    attributes.pop(set_by, None)
            else:
                attributes[code] = (code,)
    joined = []
    for style, text in runs:
        if joined and joined[-1][0] == style:
            joined[-1][1] += text
        else:
            joined.append([style, text])
    while joined and not joined[-1][0] and not joined[-1][1].rstrip():
        joined.pop()
    if joined and not joined[-1][0]:
        joined[-1][1] = joined[-1][1].rstrip()
    print(" | ".join(f"{''.join(str(s) for s in style)}{text!r}" for style, text in joined))
