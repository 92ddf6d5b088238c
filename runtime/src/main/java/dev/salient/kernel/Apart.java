package dev.salient.kernel;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.EnumMap;

/**
 * Static methods as handles in a map or an array.
 *
 * <p>C2 does not know what a handle read from there reaches, so it compiles each method on its own. That is the point:
 * a vector operation is hundreds of nodes of C2's graph before it becomes one instruction, and where the loops of several
 * planes are inlined together, with what calls them, the graph reaches its limit (NodeCountInliningCutoff). What is left
 * over then runs on boxed vectors, ten times slower, and whether it happens depends on what was run before.
 */
final class Apart {
    private Apart() {}

    /**
     * The handle of each plane's method, which its {@link Plane#kernel} names.
     *
     * @param lookup of the class that holds the methods
     */
    static EnumMap<Plane, MethodHandle> methods(MethodHandles.Lookup lookup, MethodType type) {
        EnumMap<Plane, MethodHandle> handles = new EnumMap<>(Plane.class);
        for (Plane plane : Plane.values()) {
            handles.put(plane, find(lookup, plane.kernel(), type));
        }
        return handles;
    }

    /** The handle of one method, in an array: C2 does not know what that holds either. */
    static MethodHandle[] method(MethodHandles.Lookup lookup, String name, MethodType type) {
        return new MethodHandle[] {find(lookup, name, type)};
    }

    private static MethodHandle find(MethodHandles.Lookup lookup, String name, MethodType type) {
        try {
            return lookup.findStatic(lookup.lookupClass(), name, type);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    /** What a kernel threw: it declares nothing, so this is no checked exception. */
    static RuntimeException thrown(Throwable failure) {
        if (failure instanceof Error error) {
            throw error;
        }
        return failure instanceof RuntimeException runtime ? runtime : new IllegalStateException(failure);
    }
}
