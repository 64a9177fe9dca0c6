#!/usr/bin/env bash
# Java: compile, run, test without a framework, jar. Maven and Gradle need repositories that a
# machine without a network does not have; they are not run here.
# shellcheck source=tests/real/checks.bash
source "$(dirname "$0")/checks.bash"

compile_and_run() {
    project java
    mkdir -p src/adding test/adding
    printf 'package adding;\npublic class Adding {\n  public static int add(int a, int b) { return a + b; }\n  public static void main(String[] a) { System.out.println(add(1, 2)); }\n}\n' >src/adding/Adding.java
    cat >test/adding/AddingTest.java <<'JAVA'
package adding;
import java.nio.file.*;
import java.util.stream.*;
public class AddingTest {
  public static void main(String[] a) throws Exception {
    assert Adding.add(1, 2) == 3;
    assert IntStream.range(0, 1000).parallel().map(n -> Adding.add(n, n)).sum() == 999000;
    Path f = Files.createTempFile("t", "x");
    Files.writeString(f, "x");
    assert Files.readString(f).equals("x");
    Process p = new ProcessBuilder("echo", "child").start();
    assert new String(p.getInputStream().readAllBytes()).equals("child\n");
    Thread t = new Thread(() -> {}); t.start(); t.join();
    System.out.println("tests passed");
  }
}
JAVA
    echo build >.gitignore
    commit_all
    inside -- sh -euc 'mkdir -p build && javac -d build $(find src test -name "*.java")'
    same "main" 3 "$(inside -- java -cp build adding.Adding)"
    has "$(inside -- java -ea -cp build adding.AddingTest)" "tests passed"
    inside -- jar --create --file build/adding.jar --main-class adding.Adding -C build adding
    # Of preset java, which `jar` brings, a build output: it serves the next run, and does not land.
    same "jar" 3 "$(inside -- java -XX:-UsePerfData -jar build/adding.jar)"
    test ! -e build/adding.jar
    same "single file" 3 "$(inside -- java src/adding/Adding.java)"
    same "status" "" "$(git status --porcelain)"
}

# The heap follows the limit given to the sandbox, not the machine.
memory_is_seen() {
    project memory
    has "$(inside --memory 1G -- java -XX:+PrintFlagsFinal -version 2>/dev/null)" MaxHeapSize
}

check 120 "javac, java, a test, jar" compile_and_run
check 30 "java under a memory limit" memory_is_seen
finish
