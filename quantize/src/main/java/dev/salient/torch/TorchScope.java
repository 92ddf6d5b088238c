package dev.salient.torch;

import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;

/**
 * Frees at its end every tensor that was made within it on this thread, but for those that were kept.
 *
 * <pre>{@code
 * try (TorchScope scope = new TorchScope()) {
 *     Tensor loss = ...;
 *     return scope.keep(loss);
 * }
 * }</pre>
 */
public final class TorchScope implements AutoCloseable {
    private final PointerScope scope = new PointerScope();

    /** Hands a tensor to the enclosing scope, or to the caller where there is none. */
    public Tensor keep(Tensor tensor) {
        tensor.retainReference();
        var scopes = PointerScope.getScopeIterator();
        while (scopes.hasNext()) {
            PointerScope enclosing = scopes.next();
            if (!enclosing.equals(scope)) {
                enclosing.attach(tensor);
                tensor.releaseReference();
                break;
            }
        }
        scope.detach(tensor);
        return tensor;
    }

    /** Takes a tensor out of every scope: the caller closes it. */
    public Tensor release(Tensor tensor) {
        tensor.retainReference();
        scope.detach(tensor);
        return tensor;
    }

    @Override
    public void close() {
        scope.close();
    }
}
