package dev.salient.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import com.google.errorprone.annotations.FormatMethod;
import dev.salient.cli.Streams.Standard;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * All that the program says: results on standard output, everything else on standard error.
 *
 * <p>With {@code --json} standard output holds one JSON object and nothing else: {@link #line} and {@link #text} are
 * silent, {@link #result} speaks; without it, the other way round. Threads may share a console.
 */
public final class Console {
    private final Streams streams;
    private final BufferedReader input;
    private final CommonOptions options;
    private final boolean isStep;
    private boolean barShown;
    private boolean lineOpen;

    Console(Streams streams, CommonOptions options) {
        this(streams, options, false);
    }

    private Console(Streams streams, CommonOptions options, boolean isStep) {
        this.streams = streams;
        this.options = options;
        this.isStep = isStep;
        input = new BufferedReader(new InputStreamReader(streams.in(), UTF_8));
    }

    /** This console for a step of a larger command, which has no result of its own. */
    Console withoutResults() {
        return new Console(streams, options, true);
    }

    /** Whether the result is wanted as one JSON object. */
    public boolean json() {
        return options.json();
    }

    /** Whether to say more. */
    public boolean verbose() {
        return options.verbose();
    }

    /** A line for people, on standard output. */
    @FormatMethod
    public void line(String format, Object... values) {
        text(String.format(Locale.ROOT, format, values) + "\n");
    }

    /**
     * A piece of text for people, as it is, on standard output at once.
     *
     * @throws ClosedOutputException where nobody reads it any more
     */
    public synchronized void text(String text) {
        if (!json()) {
            write(text);
        }
    }

    /** The one JSON object. */
    public synchronized void result(JsonNode result) {
        if (json() && !isStep) {
            write(result + "\n");
        }
    }

    /** A line on standard error: what goes on, what to know. */
    @FormatMethod
    public synchronized void note(String format, Object... values) {
        clearBar();
        streams.err().print(String.format(Locale.ROOT, format, values) + "\n");
        streams.err().flush();
    }

    /**
     * Shows progress on standard error until it is closed: a bar on a terminal, else a line every few seconds.
     *
     * @param unit what is counted, in the plural: {@code windows}
     * @param total steps in all
     */
    public Progress progress(String task, String unit, long total) {
        return progress(new LineProgress.Work(task, unit, total, 0));
    }

    /**
     * Shows progress in bytes.
     *
     * @param total bytes in all
     * @param here bytes of them that were done before
     */
    Progress byteProgress(String task, long total, long here) {
        return progress(new LineProgress.Work(task, LineProgress.BYTES, total, here));
    }

    private Progress progress(LineProgress.Work work) {
        if (streams.terminals().contains(Standard.ERR)) {
            return new BarProgress(work, this::drawBar, streams.columns() - 1);
        }
        return new LineProgress(work, line -> note("%s", line), System::nanoTime);
    }

    /** Asks for a line of standard input; the prompt is shown to terminals only. Null at the end of input. */
    public @Nullable String findInput(String prompt) throws IOException {
        if (!streams.terminals().contains(Standard.IN)) {
            return input.readLine();
        }
        streams.err().print(prompt);
        streams.err().flush();
        String line = input.readLine();
        if (line == null) { // Ctrl-D leaves the cursor behind the prompt
            note("");
        }
        return line;
    }

    /** Whether somebody types the input. */
    boolean interactive() {
        return streams.terminals().contains(Standard.IN);
    }

    /** Everything that standard input holds. */
    public String allInput() throws IOException {
        return input.readAllAsString();
    }

    /** Ends a line that a progress bar or a stream of text left open. */
    synchronized void close() {
        clearBar();
        if (lineOpen && streams.terminals().contains(Standard.OUT)) {
            streams.out().print("\n");
        }
        lineOpen = false;
        streams.out().flush();
        streams.err().flush();
    }

    private void write(String text) {
        clearBar();
        streams.out().print(text);
        lineOpen = text.isEmpty() ? lineOpen : !text.endsWith("\n");
        if (streams.out().checkError()) { // flushes
            throw new ClosedOutputException();
        }
    }

    private synchronized void drawBar(String bar) {
        barShown = true;
        streams.err().print("\r" + bar);
        streams.err().flush();
    }

    private void clearBar() {
        if (barShown) {
            barShown = false;
            streams.err().print("\r" + " ".repeat(streams.columns() - 1) + "\r");
        }
    }

    /** Standard output was closed by its reader: {@code salient generate ... | head}. */
    public static final class ClosedOutputException extends RuntimeException {
        private static final long serialVersionUID = 1;

        ClosedOutputException() {
            super("standard output was closed");
        }
    }
}
