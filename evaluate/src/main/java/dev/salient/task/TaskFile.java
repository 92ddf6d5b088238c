package dev.salient.task;

import dev.salient.format.FormatException;
import dev.salient.format.json.JsonObject;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** A file of one JSON object a line. */
final class TaskFile {
    /** No question is longer. */
    private static final int MAX_LINE_BYTES = 1 << 20;

    private TaskFile() {}

    /** The first rows of a task's file, blank lines left out. */
    static List<TaskRow> read(Path folder, String task, int most) throws IOException {
        Path file = find(folder, task);
        List<TaskRow> rows = new ArrayList<>();
        try (InputStream in = new BufferedInputStream(Files.newInputStream(file))) {
            boolean more = true;
            for (int line = 1; more && rows.size() < most; line++) {
                String place = "%s: line %d".formatted(file.getFileName(), line);
                ByteArrayOutputStream bytes = new ByteArrayOutputStream();
                more = readLine(in, bytes, place);
                byte[] json = bytes.toByteArray();
                if (!new String(json, StandardCharsets.ISO_8859_1).isBlank()) {
                    rows.add(new TaskRow(JsonObject.parse(place, json)));
                }
            }
        }
        if (rows.isEmpty()) {
            throw new FormatException("%s: got no rows, want at least one", file.getFileName());
        }
        return rows;
    }

    /** {@code piqa.jsonl}, or else the only {@code piqa*.jsonl}. */
    private static Path find(Path folder, String task) throws IOException {
        Path exact = folder.resolve(task + ".jsonl");
        if (Files.isRegularFile(exact)) {
            return exact;
        }
        List<Path> others = List.of();
        if (Files.isDirectory(folder)) {
            try (Stream<Path> files = Files.list(folder)) {
                others = files.filter(file -> file.getFileName().toString().matches(task + ".*\\.jsonl"))
                        .toList();
            }
        }
        if (others.size() != 1) {
            throw new FormatException("%s: got %d files %s*.jsonl, want %s.jsonl", folder, others.size(), task, task);
        }
        return others.getFirst();
    }

    /** Whether more lines follow. */
    private static boolean readLine(InputStream in, ByteArrayOutputStream line, String place) throws IOException {
        for (int b = in.read(); b >= 0; b = in.read()) {
            if (b == '\n') {
                return true;
            }
            if (line.size() == MAX_LINE_BYTES) {
                throw new FormatException("%s: got more than %d bytes, want a row", place, MAX_LINE_BYTES);
            }
            line.write(b);
        }
        return false;
    }
}
