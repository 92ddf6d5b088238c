package dev.salient.kernel;

import java.util.List;

/** Attention of several sequences in one pass: their items and row groups, numbered through. */
final class AttentionBatch {
    private final VectorAttention.Task[] tasks;
    /** Each task's first item, first row group and first number of the states; then the counts of all. */
    private final int[] items;

    private final int[] groups;
    private final int[] states;

    /**
     * Lays out one call of {@link Kernels#attend}.
     *
     * @throws ArithmeticException where the states of all items are too many for one array
     */
    AttentionBatch(List<KvBlock> caches, List<Positions> sequences, float[] query, float[] mixed) {
        int count = sequences.size();
        tasks = new VectorAttention.Task[count];
        items = new int[count + 1];
        groups = new int[count + 1];
        states = new int[count + 1];
        int row = 0;
        for (int s = 0; s < count; s++) {
            VectorAttention.Task task = new VectorAttention.Task(caches.get(s), sequences.get(s), row, query, mixed);
            tasks[s] = task;
            items[s + 1] = items[s] + task.items();
            groups[s + 1] = groups[s] + task.groups();
            states[s + 1] = Math.addExact(states[s], Math.multiplyExact(task.items(), task.stateSize()));
            row += sequences.get(s).count();
        }
    }

    int items() {
        return items[tasks.length];
    }

    int groups() {
        return groups[tasks.length];
    }

    int stateSize() {
        return states[tasks.length];
    }

    void attend(int item, VectorAttention attention, float[] all) {
        int s = owner(items, item);
        attention.attend(tasks[s], item - items[s], all, states[s]);
    }

    void finish(int group, float[] all) {
        int s = owner(groups, group);
        VectorAttention.finish(tasks[s], group - groups[s], all, states[s]);
    }

    private static int owner(int[] firsts, int index) {
        int s = 0;
        while (firsts[s + 1] <= index) {
            s++;
        }
        return s;
    }
}
