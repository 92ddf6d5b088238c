package dev.salient.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The launcher, in a copy of its own with a JDK and a Maven that only say what they were asked. */
class LauncherTest {
    private static final Path LAUNCHER = Path.of("..", "salient");

    private static final String MISSING_MAVEN = "salient: building needs Maven 3.8 or newer and there is no mvn on the"
            + " path: apt-get install maven, brew install maven, or https://maven.apache.org\n";

    /** What the launcher needs, and no Java. */
    private static final List<String> TOOLS = List.of(
            "bash",
            "cut",
            "dirname",
            "find",
            "flock",
            "grep",
            "head",
            "mkdir",
            "mv",
            "readlink",
            "rm",
            "sed",
            "stty",
            "touch");

    @TempDir
    Path folder;

    private final Map<String, String> environment = new TreeMap<>();
    private Path root;
    private Path path;

    @BeforeEach
    void writeRepository() throws IOException {
        root = Files.createDirectories(folder.resolve("a repository"));
        path = Files.createDirectories(folder.resolve("path"));
        Files.copy(LAUNCHER, root.resolve("salient"));
        write(root.resolve("pom.xml"), "");
        for (String module : List.of("runtime", "evaluate", "quantize", "cli", "cli-make")) {
            write(root.resolve(module).resolve("pom.xml"), "");
            write(root.resolve(module).resolve("src/main/java/A.java"), "");
        }
        for (String tool : TOOLS) {
            for (String place : System.getenv("PATH").split(":", -1)) {
                if (Files.isExecutable(Path.of(place, tool))) {
                    executable(path.resolve(tool), "#!/bin/sh\nexec " + Path.of(place, tool) + " \"$@\"\n");
                    break;
                }
            }
        }
        environment.put("PATH", path.toString());
        environment.put("SALIENT_JDKS", folder.resolve("jdks").toString());
        environment.put("HOME", folder.toString());
        writeMaven();
    }

    @Test
    void withoutAJdkItSaysWhatToInstall() throws Exception {
        assertThat(launch("inspect", "model"))
                .isEqualTo(new Run(
                        2,
                        "",
                        "salient: needs a JDK 25 or newer and found none: install one (https://adoptium.net,"
                                + " sdk install java 25-tem, or apt-get install openjdk-25-jdk) or set JAVA_HOME\n"));
    }

    @Test
    void tooOldJavaHomeIsPassedOverForAJdkInTheUsualFolders() throws Exception {
        environment.put("JAVA_HOME", writeJdk("old", "17.0.2").toString());
        writeJdk("jdks/older", "21");
        Path wanted = writeJdk("jdks/temurin", "25.0.3");
        assertThat(launch("inspect").out()).startsWith("java " + wanted);
    }

    @Test
    void javaHomeComesBeforeThePathAndThePathBeforeTheUsualFolders() throws Exception {
        writeJdk("jdks/temurin", "25");
        Path onPath = writeJdk("elsewhere", "26-ea");
        Files.createSymbolicLink(path.resolve("java"), onPath.resolve("bin/java"));
        assertThat(launch("inspect").out()).startsWith("java " + onPath);
        Path home = writeJdk("home", "27.0.1");
        environment.put("JAVA_HOME", home.toString());
        assertThat(launch("inspect").out()).startsWith("java " + home);
    }

    @Test
    void runtimeWithoutACompilerIsNotEnough() throws Exception {
        Files.delete(writeJdk("jdks/jre", "25").resolve("bin/javac"));
        assertThat(launch("inspect").status()).isEqualTo(2);
    }

    @Test
    void commandOfTheRunHalfBuildsOnlyTheRunHalfAndOnlyOnce() throws Exception {
        writeJdk("jdks/temurin", "25");
        Run first = launch("chat", "a model", "--seed", "1");
        assertThat(first.err()).isEqualTo("salient: building cli ...\nmvn -pl cli -am\n");
        assertThat(first.status()).isEqualTo(7);
        assertThat(first.out())
                .contains("[dev.salient.cli.Main] [chat] [a model] [--seed] [1]", "cli/target/salient-cli.jar")
                .doesNotContain("cli-make");
        assertThat(launch("chat").err()).isEmpty();
    }

    @Test
    void newerSourceIsBuiltAgain() throws Exception {
        writeJdk("jdks/temurin", "25");
        launch("chat");
        Files.setLastModifiedTime(
                root.resolve("runtime/src/main/java/A.java"),
                FileTime.from(Instant.now().plusSeconds(60)));
        assertThat(launch("chat").err()).isEqualTo("salient: building cli ...\nmvn -pl cli -am\n");
    }

    @Test
    void changeInTheMakeHalfDoesNotRebuildTheRunHalf() throws Exception {
        writeJdk("jdks/temurin", "25");
        launch("chat");
        Files.setLastModifiedTime(
                root.resolve("quantize/src/main/java/A.java"),
                FileTime.from(Instant.now().plusSeconds(60)));
        assertThat(launch("chat").err()).isEmpty();
    }

    @Test
    void everyCommandOfTheMakeHalfBuildsIt() throws Exception {
        writeJdk("jdks/temurin", "25");
        List<String> commands = new ArrayList<>(Root.MAKE_COMMANDS.keySet());
        assertThat(launch(commands.getFirst(), "model").err())
                .isEqualTo("salient: building cli-make ...\nmvn -pl cli-make -am\n");
        for (String command : commands) {
            assertThat(launch(command).out()).contains("cli-make/target/salient-cli-make.jar");
            assertThat(launch("help", command).out()).contains("cli-make/target/salient-cli-make.jar");
        }
    }

    @Test
    void failedBuildIsOneLineAndIsTriedAgain() throws Exception {
        writeJdk("jdks/temurin", "25");
        executable(path.resolve("mvn"), "echo 'it does not compile'; exit 1");
        assertThat(launch("chat")).isEqualTo(new Run(1, "", """
                salient: building cli ...
                it does not compile
                salient: the build failed; its messages are above
                """));
        writeMaven();
        assertThat(launch("chat").err()).isEqualTo("salient: building cli ...\nmvn -pl cli -am\n");
    }

    @Test
    void missingMavenIsOneLine() throws Exception {
        writeJdk("jdks/temurin", "25");
        Files.delete(path.resolve("mvn"));
        assertThat(launch("chat")).isEqualTo(new Run(2, "", MISSING_MAVEN));
        assertThat(launch("test")).isEqualTo(new Run(2, "", MISSING_MAVEN));
    }

    @Test
    void testRunsAllOfMavenVerifyOnTheJdkThatWasFound() throws Exception {
        Path jdk = writeJdk("jdks/temurin", "25");
        executable(path.resolve("mvn"), "echo \"$JAVA_HOME: mvn $*, in $PWD\"");
        assertThat(launch("test", "-pl", "runtime"))
                .isEqualTo(new Run(0, jdk + ": mvn -B verify -pl runtime, in " + root.toRealPath() + "\n", ""));
    }

    @Test
    void worksThroughALinkFromAnyFolder() throws Exception {
        writeJdk("jdks/temurin", "25");
        Path link = Files.createDirectories(folder.resolve("bin")).resolve("salient");
        Files.createSymbolicLink(link, Path.of("..", "a repository", "salient"));
        Process process = start(folder.resolve("bin"), link.toString(), "chat");
        assertThat(finish(process).out()).contains("a repository/cli/target/salient-cli.jar");
    }

    @Test
    void warningAboutTheIncubatorModuleIsKeptFromTheUserAndNothingElseIs() throws Exception {
        Path jdk = writeJdk("jdks/temurin", "25");
        executable(jdk.resolve("bin/java"), """
                echo 'WARNING: Using incubator modules: jdk.incubator.vector' >&2
                echo 'something else of the JVM' >&2
                echo "progress" >&"$SALIENT_ERR"
                """);
        launch("chat");
        // The filter may end after the program: only behind a pipe is everything said when the shell returns.
        Process process = start(folder, "/bin/sh", "-c", "'" + root.resolve("salient") + "' chat 2>&1 | /bin/cat");
        assertThat(finish(process).out().lines()).containsExactlyInAnyOrder("something else of the JVM", "progress");
    }

    private Path writeJdk(String name, String version) throws IOException {
        Path jdk = folder.resolve(name);
        write(jdk.resolve("release"), "IMPLEMENTOR=\"X\"\nJAVA_VERSION=\"" + version + "\"\n");
        executable(jdk.resolve("bin/javac"), "");
        executable(jdk.resolve("bin/java"), "echo \"java $JAVA_HOME\"; printf '[%s] ' \"$@\"; exit 7");
        return jdk;
    }

    /** A Maven that says for which module it was called, and makes its jar. */
    private void writeMaven() throws IOException {
        executable(path.resolve("mvn"), """
                while [ "$1" != -pl ]; do shift; done
                echo "mvn $*"
                mkdir -p "$2/target/lib"
                touch "$2/target/salient-$2.jar" "$2/target/lib/other.jar"
                """);
    }

    private static void executable(Path file, String script) throws IOException {
        write(file, script.startsWith("#!") ? script : "#!/usr/bin/env bash\n" + script + "\n");
        assertThat(file.toFile().setExecutable(true)).isTrue();
    }

    private static void write(Path file, String text) throws IOException {
        Files.createDirectories(file.toAbsolutePath().getParent());
        Files.writeString(file, text);
    }

    private Run launch(String... arguments) throws Exception {
        return finish(start(
                folder,
                Stream.concat(Stream.of(root.resolve("salient").toString()), Stream.of(arguments))
                        .toArray(String[]::new)));
    }

    private Process start(Path directory, String... command) throws IOException {
        ProcessBuilder builder = new ProcessBuilder(command).directory(directory.toFile());
        builder.environment().clear();
        builder.environment().putAll(environment);
        return builder.start();
    }

    private Run finish(Process process) throws Exception {
        process.getOutputStream().close();
        String out = new String(process.getInputStream().readAllBytes(), UTF_8);
        String err = new String(process.getErrorStream().readAllBytes(), UTF_8);
        return new Run(process.waitFor(), out, err);
    }
}
