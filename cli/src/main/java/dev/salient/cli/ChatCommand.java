package dev.salient.cli;

import picocli.CommandLine;
import picocli.CommandLine.Mixin;

/** The command {@code chat}. */
@CommandLine.Command(name = "chat", header = "Talk with a model.")
final class ChatCommand implements Command {
    @Mixin
    private final CommonOptions common = new CommonOptions();

    @Override
    public CommonOptions common() {
        return common;
    }

    @Override
    public void run(Console console) {
        throw new IllegalArgumentException("chat: not built yet");
    }
}
