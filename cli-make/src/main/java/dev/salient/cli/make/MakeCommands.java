package dev.salient.cli.make;

import dev.salient.cli.Command;
import dev.salient.cli.CommandProvider;
import java.util.List;

/** Brings the make half's commands to the program. */
public final class MakeCommands implements CommandProvider {
    @Override
    public List<Command> commands() {
        return List.of(
                new QuantizeCommand(),
                new DemoCommand(),
                new SaliencyCommand(),
                new TrainCommand(),
                new TuneCommand(),
                new SweepCommand());
    }
}
