package dev.salient.cli;

import dev.salient.cli.Console.ClosedOutputException;
import java.util.Arrays;
import java.util.List;
import java.util.ServiceLoader;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.UnmatchedArgumentException;

/** The whole program but the exit: arguments and streams in, exit status out. */
final class Program {
    /** The commands of this half, as the help lists them. */
    private static final List<String> NAMES =
            List.of("evaluate", "perplexity", "compare", "generate", "chat", "inspect", "bench", "export", "pull");

    private final Streams streams;
    private volatile Console console;

    Program(Streams streams) {
        this.streams = streams;
        console = new Console(streams, new CommonOptions());
    }

    /** Runs one command line and returns the exit status. */
    int run(String... arguments) {
        try {
            return parseAndRun(arguments);
        } catch (ClosedOutputException e) {
            return Failure.OK;
        } catch (Throwable e) { // errors too: whatever it is, the user gets one line
            report(e, List.of(arguments).contains("--verbose"));
            return Failure.of(e).exitCode();
        } finally {
            console.close();
        }
    }

    /** Leaves the terminal in order when the process is stopped from outside. */
    void close() {
        console.close();
    }

    private int parseAndRun(String... arguments) throws Exception {
        CommandLine program = commandLine(arguments);
        int columns = Math.clamp(streams.columns(), 60, 120);
        program.setUsageHelpWidth(columns);
        ParseResult parsed = program.parseArgs(helpAsOption(arguments));
        if (parsed.isVersionHelpRequested()) {
            program.printVersionHelp(streams.out());
            return Failure.OK;
        }
        while (parsed.hasSubcommand()) {
            parsed = parsed.subcommand();
        }
        CommandLine chosen = parsed.commandSpec().commandLine();
        if (!parsed.isUsageHelpRequested() && chosen.getCommand() instanceof Command command) {
            console = new Console(streams, command.common());
            command.run(console);
        } else {
            streams.out().print(chosen.getUsageMessage());
        }
        return Failure.OK;
    }

    /** The program with the one command that these arguments name, or with all commands: to describe each takes a while. */
    private static CommandLine commandLine(String... arguments) {
        Command named = arguments.length == 0 ? null : find(arguments[0]);
        return named == null
                ? commandLine()
                : new CommandLine(new Root()).addSubcommand(named).setCaseInsensitiveEnumValuesAllowed(true);
    }

    /** All commands that there are. */
    static CommandLine commandLine() {
        CommandLine program = new CommandLine(new Root());
        NAMES.forEach(name -> program.addSubcommand(find(name)));
        boolean withMakeHalf = false;
        for (CommandProvider provider : ServiceLoader.load(CommandProvider.class)) {
            provider.commands().forEach(program::addSubcommand);
            withMakeHalf = true;
        }
        if (!withMakeHalf) {
            program.getCommandSpec().usageMessage().footer(makeCommands());
        }
        return program.setCaseInsensitiveEnumValuesAllowed(true);
    }

    /** A command of this half; null where it has none of that name. */
    private static @Nullable Command find(String name) {
        return switch (name) {
            case "evaluate" -> new EvaluateCommand();
            case "perplexity" -> new PerplexityCommand();
            case "compare" -> new CompareCommand();
            case "generate" -> new GenerateCommand();
            case "chat" -> new ChatCommand();
            case "inspect" -> new InspectCommand();
            case "bench" -> new BenchCommand();
            case "export" -> new ExportCommand();
            case "pull" -> new PullCommand();
            default -> null;
        };
    }

    /** {@code help quantize} means {@code quantize --help}. */
    private static String[] helpAsOption(String... arguments) {
        if (arguments.length == 0 || !arguments[0].equals("help")) {
            return arguments;
        }
        return Stream.concat(Arrays.stream(arguments).skip(1).limit(1), Stream.of("--help"))
                .toArray(String[]::new);
    }

    private static String[] makeCommands() {
        Stream<String> lines = new TreeMap<>(Root.MAKE_COMMANDS)
                .entrySet().stream().map(entry -> "  %-11s %s".formatted(entry.getKey(), entry.getValue()));
        return Stream.concat(Stream.of("", "Make models (brings in libtorch on first use):"), lines)
                .toArray(String[]::new);
    }

    private void report(Throwable thrown, boolean verbose) {
        Failure failure = thrown instanceof UnmatchedArgumentException e
                        && e.getCommandLine().getParent() == null
                ? noSuchCommand(e)
                : Failure.of(thrown);
        console.note("salient: %s", failure.message());
        if (failure.hint() != null) {
            console.note("  %s", failure.hint());
        }
        if (verbose && !(thrown instanceof ParameterException)) {
            thrown.printStackTrace(streams.err());
        }
    }

    private static Failure noSuchCommand(UnmatchedArgumentException e) {
        String name = e.getUnmatched().getFirst();
        if (name.startsWith("-")) {
            return Failure.of(e);
        }
        if (Root.MAKE_COMMANDS.containsKey(name)) {
            return new Failure(
                    Failure.BAD_INPUT,
                    name + ": needs libtorch, which is not on the class path",
                    "start it with the launcher: ./salient " + name);
        }
        List<String> near = nearCommands(e.getCommandLine(), name);
        String hint = near.isEmpty() ? "see salient --help" : "did you mean " + String.join(" or ", near) + "?";
        return new Failure(Failure.BAD_INPUT, name + ": no such command", hint);
    }

    /** Commands, of either half, that differ from this word by two letters at most, or begin with it. */
    private static List<String> nearCommands(CommandLine program, String word) {
        return Stream.concat(program.getSubcommands().keySet().stream(), Root.MAKE_COMMANDS.keySet().stream())
                .filter(name -> name.startsWith(word) || distance(name, word) <= 2)
                .distinct()
                .sorted()
                .toList();
    }

    /** Letters to insert, drop or replace to turn one word into the other. */
    private static int distance(String one, String other) {
        int[] row = new int[other.length() + 1];
        Arrays.setAll(row, i -> i);
        for (int i = 1; i <= one.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= other.length(); j++) {
                int replaced = diagonal + (one.charAt(i - 1) == other.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(replaced, Math.min(row[j], row[j - 1]) + 1);
            }
        }
        return row[other.length()];
    }
}
