package dev.salient.format.json;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.salient.format.FormatException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Objects;

/** Reads JSON files into records, and writes them: indented, the same on every system, and whole where they are there. */
public final class JsonFiles {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private JsonFiles() {}

    /** Writes a file under a temporary name and moves it into place. */
    public static void write(Path file, JsonNode json) throws IOException {
        DefaultIndenter indenter = new DefaultIndenter("  ", "\n");
        DefaultPrettyPrinter printer = new DefaultPrettyPrinter().withObjectIndenter(indenter);
        writeText(file, MAPPER.writer(printer).writeValueAsString(json) + "\n");
    }

    /**
     * Reads a file as a record.
     *
     * @param what the file should be, for the message: {@code recipe}
     * @throws FormatException in one line, where it is no JSON, lacks a field, has one too many, or the record refuses it
     */
    public static <T> T read(Path file, ObjectMapper mapper, Class<T> type, String what) throws IOException {
        try {
            return mapper.readValue(Files.readString(file), type);
        } catch (JacksonException e) {
            Throwable cause = e.getCause() instanceof IllegalArgumentException ? e.getCause() : e;
            String message = cause instanceof JacksonException json ? json.getOriginalMessage() : cause.getMessage();
            String first = Objects.requireNonNullElse(message, "not a " + what).split("[;\n]", 2)[0];
            throw new FormatException("%s: %s", file.getFileName(), first);
        }
    }

    /** Writes a text in UTF-8 under a temporary name and moves it into place. */
    public static void writeText(Path file, String text) throws IOException {
        Path temporary = file.resolveSibling(file.getFileName() + ".tmp");
        Files.write(temporary, text.getBytes(StandardCharsets.UTF_8));
        Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }
}
