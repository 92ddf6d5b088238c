package dev.salient.kernel;

import org.jspecify.annotations.Nullable;

/** Whether vector kernels are worth running on this JVM; touches no vector class itself. */
final class VectorSupport {
    private VectorSupport() {}

    /** What keeps the vector kernels from being fast, in words for the user, or null. */
    static @Nullable String findObstacle() {
        if (ModuleLayer.boot().findModule("jdk.incubator.vector").isEmpty()) {
            return "start java with --add-modules=jdk.incubator.vector";
        }
        String mode = System.getProperty("java.vm.info", "");
        if (mode.contains("interpreted") || mode.contains("emulated-client")) {
            return "this JVM runs without its optimizing compiler (" + mode + ")";
        }
        return Lanes.COUNT < 4 ? "this CPU has no vectors of 4 floats" : null;
    }
}
