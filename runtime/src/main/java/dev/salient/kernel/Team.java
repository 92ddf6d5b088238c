package dev.salient.kernel;

import static dev.salient.tensor.Preconditions.require;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A fixed number of threads, the caller among them, that share out the items of one piece of work at a time.
 *
 * <p>Items are taken in their order, so that what they read one after the other lies one behind the other. Waiting threads spin for some microseconds, since the next piece usually comes at once, and park after that.
 */
final class Team implements AutoCloseable {
    /** Work made of independent items. */
    @FunctionalInterface
    interface Work {
        /**
         * Does one item.
         *
         * @param item 0 to items - 1
         * @param member who does it, 0 to size - 1; a member does one item at a time
         */
        void run(int item, int member);
    }

    private static final int SPINS = 2_000;

    private final Member[] members;
    /** Items not yet taken; late members find it at 0 or below and take nothing. */
    private final AtomicInteger open = new AtomicInteger();

    private final AtomicInteger finished = new AtomicInteger();
    private volatile Work work = (item, member) -> {};
    private volatile int count;
    private volatile @Nullable Throwable failure;
    private volatile boolean closed;

    Team(int size) {
        require(size > 0, "threads: got %d, want at least 1", size);
        members = new Member[size - 1];
        for (int i = 0; i < members.length; i++) {
            members[i] = new Member(i + 1);
            members[i].thread.start();
        }
    }

    int size() {
        return members.length + 1;
    }

    /** Does all items and returns when the last is done; the first failure of an item is thrown here. */
    void run(int items, Work work) {
        if (members.length == 0 || items == 1) {
            for (int item = 0; item < items; item++) {
                work.run(item, 0);
            }
            return;
        }
        this.work = work;
        count = items;
        finished.set(0);
        open.set(items);
        for (Member member : members) {
            member.wake();
        }
        takeItems(0);
        for (int spins = 0; finished.get() < items; spins++) {
            if (spins < SPINS) {
                Thread.onSpinWait();
            } else {
                LockSupport.parkNanos(20_000);
            }
        }
        Throwable thrown = failure;
        if (thrown != null) {
            failure = null;
            throw new IllegalStateException("a kernel failed: " + thrown, thrown);
        }
    }

    private void takeItems(int member) {
        while (open.get() > 0) {
            int left = open.decrementAndGet();
            if (left < 0) {
                return;
            }
            try {
                work.run(count - 1 - left, member);
            } catch (RuntimeException | Error e) {
                failure = e;
            }
            finished.incrementAndGet();
        }
    }

    @Override
    public void close() {
        closed = true;
        for (Member member : members) {
            LockSupport.unpark(member.thread);
        }
    }

    private final class Member {
        private final Thread thread;
        private volatile boolean parked;

        Member(int number) {
            thread = Thread.ofPlatform()
                    .name("salient-kernel-" + number)
                    .daemon()
                    .unstarted(() -> work(number));
        }

        private void wake() {
            if (parked) {
                LockSupport.unpark(thread);
            }
        }

        private void work(int number) {
            while (!closed) {
                takeItems(number);
                for (int spins = 0; open.get() <= 0 && spins < SPINS; spins++) {
                    Thread.onSpinWait();
                }
                parked = true;
                while (open.get() <= 0 && !closed) {
                    LockSupport.park(Team.this);
                }
                parked = false;
            }
        }
    }
}
