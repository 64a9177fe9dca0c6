#!/usr/bin/env bash
# What programs find out about the machine they size themselves by.
# shellcheck source=tests/real/checks.bash
source "$(dirname "$0")/checks.bash"

processors() {
    project processors
    for question in nproc 'getconf _NPROCESSORS_ONLN' 'getconf _NPROCESSORS_CONF' 'python3 -c "import os; print(os.cpu_count())"' \
        'node -p "os.cpus().length"' 'node -p "os.availableParallelism()"' 'grep -c ^processor /proc/cpuinfo' 'make -s -f - <<<"all:; @nproc"'; do
        same "$question" "$(bash -c "$question")" "$(inside -- bash -c "$question")"
    done
}

memory() {
    project memory
    for question in 'grep MemTotal /proc/meminfo' 'python3 -c "import os; print(os.sysconf(\"SC_PHYS_PAGES\"))"' 'node -p "os.totalmem()"'; do
        same "$question" "$(bash -c "$question")" "$(inside -- bash -c "$question")"
    done
}

names_and_times() {
    project names
    for question in 'date +%Z' 'locale charmap' 'uname -srm' 'getent passwd root | cut -d: -f3' 'getent hosts localhost | wc -l'; do
        same "$question" "$(bash -c "$question")" "$(inside -- bash -c "$question")"
    done
    same "the home of whoami" "$HOME" "$(inside -- sh -c 'getent passwd "$(whoami)" | cut -d: -f6')"
    same "the system's disk" "$(df --output=target / | tail -n 1)" "$(inside -- df --output=target / | tail -n 1)"
    inside -- df . >/dev/null
    inside -- ps aux >/dev/null
}

check 60 "processors" processors
check 30 "memory" memory
check 30 "names, time zone, account, disks, processes" names_and_times
finish
