package dev.salient.kernel;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.EnumMap;
import java.util.function.Function;

/**
 * One static method for each {@link CodeLayout}, as method handles in a map.
 *
 * <p>C2 does not know what a handle read from a map reaches, so it compiles each method on its own. That is the point:
 * a vector operation is hundreds of nodes of C2's graph before it becomes one instruction, and where the loops of several
 * layouts are inlined together, with what calls them, the graph reaches its limit (NodeCountInliningCutoff). What is left
 * over then runs on boxed vectors, ten times slower, and whether it happens depends on what was run before.
 */
final class Apart {
    private Apart() {}

    /**
     * The handle of each layout.
     *
     * @param lookup of the class that holds the methods
     * @param name of a layout's method
     */
    static EnumMap<CodeLayout, MethodHandle> methods(
            MethodHandles.Lookup lookup, MethodType type, Function<CodeLayout, String> name) {
        EnumMap<CodeLayout, MethodHandle> handles = new EnumMap<>(CodeLayout.class);
        for (CodeLayout layout : CodeLayout.values()) {
            try {
                handles.put(layout, lookup.findStatic(lookup.lookupClass(), name.apply(layout), type));
            } catch (ReflectiveOperationException e) {
                throw new ExceptionInInitializerError(e);
            }
        }
        return handles;
    }

    /** What a kernel threw: it declares nothing, so this is no checked exception. */
    static RuntimeException thrown(Throwable failure) {
        if (failure instanceof Error error) {
            throw error;
        }
        return failure instanceof RuntimeException runtime ? runtime : new IllegalStateException(failure);
    }
}
