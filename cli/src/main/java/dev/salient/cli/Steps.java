package dev.salient.cli;

import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.ParseResult;

/** Runs commands as steps of another one, on its console. */
public final class Steps {
    private Steps() {}

    /**
     * Runs one command.
     *
     * @param arguments the command's name first, as on the command line
     */
    public static void run(Console console, List<String> arguments) throws Exception {
        if (chosen(arguments).getCommand() instanceof Command command) {
            command.run(console.withoutResults());
        }
    }

    /**
     * Checks the options of a command without running it.
     *
     * @throws RuntimeException where they make no sense, as the command itself would say it
     */
    public static void check(List<String> arguments) {
        if (chosen(arguments).getCommand() instanceof Command command) {
            command.check();
        }
    }

    private static CommandLine chosen(List<String> arguments) {
        ParseResult parsed = Program.commandLine().parseArgs(arguments.toArray(String[]::new));
        return parsed.subcommand().commandSpec().commandLine();
    }
}
