package dev.salient.cli;

import java.util.List;

/** Brings commands to the program from another module; found by {@link java.util.ServiceLoader}. */
public interface CommandProvider {
    /** New commands, each annotated as a picocli command. */
    List<Command> commands();
}
