package dev.salient.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * The program's standard streams, always UTF-8.
 *
 * @param terminals which of them are a terminal
 * @param columns width of the terminal
 */
record Streams(InputStream in, PrintStream out, PrintStream err, Set<Standard> terminals, int columns) {
    private static final int DEFAULT_COLUMNS = 80;

    /** The three standard streams. */
    enum Standard {
        IN,
        OUT,
        ERR
    }

    /**
     * The process's own streams, with what the launcher knows about them.
     *
     * <p>The launcher hands the real standard error over as another descriptor (SALIENT_ERR): descriptor 2 passes through
     * a filter there, because the JVM writes a warning about its incubator module to it before any of our code runs.
     */
    static Streams ofProcess(Map<String, String> environment) {
        Set<Standard> terminals = EnumSet.noneOf(Standard.class);
        String names = environment.getOrDefault("SALIENT_TERMINALS", "");
        for (Standard stream : Standard.values()) {
            if (names.contains(stream.name().toLowerCase(Locale.ROOT))) {
                terminals.add(stream);
            }
        }
        return new Streams(
                System.in,
                utf8(FileDescriptor.out),
                utf8(errorDescriptor(environment.getOrDefault("SALIENT_ERR", "2"))),
                terminals,
                parse(environment.getOrDefault("SALIENT_COLUMNS", ""), DEFAULT_COLUMNS));
    }

    private static PrintStream utf8(FileDescriptor descriptor) {
        return new PrintStream(new FileOutputStream(descriptor), true, UTF_8);
    }

    private static FileDescriptor errorDescriptor(String number) {
        int wanted = parse(number, 2);
        if (wanted == 2) {
            return FileDescriptor.err;
        }
        try {
            // Opening /dev/fd/3 instead would give a file of its own position: output would overwrite itself.
            FileDescriptor descriptor = new FileDescriptor();
            Field field = FileDescriptor.class.getDeclaredField("fd");
            field.setAccessible(true);
            field.setInt(descriptor, wanted);
            return descriptor;
        } catch (ReflectiveOperationException | RuntimeException e) {
            return FileDescriptor.err; // not opened to us by the launcher's flags: the filtered one will do
        }
    }

    private static int parse(String number, int otherwise) {
        return number.matches("[1-9][0-9]{0,3}") ? Integer.parseInt(number) : otherwise;
    }
}
