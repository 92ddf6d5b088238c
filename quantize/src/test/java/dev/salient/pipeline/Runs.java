package dev.salient.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

/** What tests of whole runs share: who listens, what stops them, what they leave. */
final class Runs {
    private Runs() {}

    /** A tiny model, {@code model}, and 1500 random letters, {@code text.txt}. */
    static void writeModelAndText(Path folder) throws IOException {
        TinyLlama.write(folder.resolve("model"), 7);
        Random random = new Random(2);
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 1500; i++) {
            text.append((char) ('a' + random.nextInt(26)));
        }
        Files.writeString(folder.resolve("text.txt"), text);
    }

    /** Every file of a folder but the log, which holds times: its name, size and content. */
    static Map<String, String> files(Path folder) throws IOException {
        Map<String, String> files = new TreeMap<>();
        try (var all = Files.walk(folder)) {
            for (Path file : all.filter(Files::isRegularFile).toList()) {
                if (!file.endsWith("salient-run.log")) {
                    byte[] bytes = Files.readAllBytes(file);
                    files.put(folder.relativize(file).toString(), bytes.length + ":" + Arrays.hashCode(bytes));
                }
            }
        }
        return files;
    }

    static class Silent implements RunListener {
        @Override
        public void planned(Plan plan) {
            assertThat(plan.bitsPerWeight()).isGreaterThan(2);
        }

        @Override
        public void began(String part, long steps) {}

        @Override
        public void reached(long steps) {}

        @Override
        public void note(String line) {}
    }

    static final class Stopped extends RuntimeException {
        private static final long serialVersionUID = 1;
    }

    /** Stops a run where a kill would, when so many steps of a part are done. */
    static final class Stopping extends Silent {
        private final String part;
        private final int steps;
        private boolean inPart;

        Stopping(String part, int steps) {
            this.part = part;
            this.steps = steps;
        }

        @Override
        public void began(String begun, long inAll) {
            inPart = begun.equals(part);
        }

        @Override
        public void reached(long reached) {
            if (inPart && reached >= steps) {
                throw new Stopped();
            }
        }
    }
}
