package dev.salient.kernel;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Products of one or a few tokens with some weights at once, as items for a {@link Team}: strips, or rows where there are none.
 *
 * <p>What depends on the tokens alone, activations ordered for a plane or their product tables, is made once and shared by the
 * weights.
 */
final class TokenProduct implements Team.Work {
    /** Bytes of a weight that an item reads whose cache lines are asked for first: they fit a core's own cache. */
    private static final int TOUCHED_BYTES = 32768;

    private final Activations activations;
    private final Fetching fetching = new Fetching();
    private final Member[] members;
    private final List<Slot> slots = new ArrayList<>();
    private int usedSlots;
    private Part[] parts = new Part[0];
    private int partCount;
    private int tokens;
    private float[] x = new float[0];
    private int in;

    TokenProduct(Activations activations, int threads) {
        this.activations = activations;
        members = new Member[threads];
        for (int i = 0; i < threads; i++) {
            members[i] = new Member();
        }
    }

    /** One member's buffers. */
    private static final class Member {
        final StripStage stage = new StripStage();
        final StripProduct product = new StripProduct();
        final TableProduct tables = new TableProduct();
        final DenseRows rows = new DenseRows();
        final CodebookProduct lookups = new CodebookProduct();
        final CodebookRows gathered = new CodebookRows();
        final MicroKernel kernel = new MicroKernel();
    }

    /** Activations of all tokens for one plane, zero and segment size. */
    private static final class Slot {
        Plane plane = Plane.EIGHT;
        float zero;
        int segmentSize;
        StripInput[] inputs = new StripInput[0];
        ProductTables[] tables = new ProductTables[0];
    }

    /** One of the weights. */
    private static final class Part {
        @Nullable
        Prepared weight;

        float[] y = new float[0];
        /** Of each plane. */
        final Slot[] slots = new Slot[2];
        /** Of each token, where the weight's codebooks use them. */
        CodebookTables[] tables = new CodebookTables[0];
        /** The first item that fills them. */
        int firstTableItem;
        /** [tokens, rank]. */
        float[] inner = new float[0];
        /** The part's first item. */
        int firstItem;
        /** Strips or rows of an item. */
        int itemSize;

        /** The weight's codebooks where tables are used, else null. */
        @Nullable
        Codebooks tabled() {
            Codebooks codebooks = weight().codebooks();
            return codebooks != null && codebooks.usesTables() ? codebooks : null;
        }

        Prepared weight() {
            return Objects.requireNonNull(weight);
        }
    }

    /** Begins a product with these tokens, [tokens, in]. */
    void begin(int newTokens, int newIn, float[] newX) {
        tokens = newTokens;
        in = newIn;
        x = newX;
        usedSlots = 0;
        partCount = 0;
    }

    /** Adds a weight whose product goes to y, [tokens, out]. */
    void add(Prepared weight, float[] y) {
        if (partCount == parts.length) {
            parts = Arrays.copyOf(parts, partCount + 1);
            parts[partCount] = new Part();
        }
        Part part = parts[partCount++];
        part.weight = weight;
        part.y = y;
        Strips strips = weight.strips();
        if (strips != null) {
            for (int p = 0; p < strips.planeCount(); p++) {
                part.slots[p] = slot(strips.plane(p), strips.zero(p), strips.segmentSize());
            }
        }
        Adapter adapter = weight.adapter();
        if (adapter != null) {
            multiplyInner(part, adapter);
        }
    }

    /** Readies the items that fill tables and says how many there are. */
    int tableItems() {
        int items = 0;
        for (int i = 0; i < partCount; i++) {
            Part part = parts[i];
            part.firstTableItem = items;
            Codebooks codebooks = part.tabled();
            if (codebooks == null) {
                continue;
            }
            if (part.tables.length < tokens) {
                part.tables = new CodebookTables[tokens];
                Arrays.setAll(part.tables, t -> new CodebookTables());
            }
            for (int t = 0; t < tokens; t++) {
                items += part.tables[t].begin(codebooks);
            }
        }
        return items;
    }

    /** Fills the tables of some groups of one token. */
    void fillTables(int item, int member) {
        int i = partCount - 1;
        while (parts[i].firstTableItem > item || parts[i].tabled() == null) {
            i--;
        }
        Part part = parts[i];
        Codebooks codebooks = Objects.requireNonNull(part.tabled());
        int perToken = CodebookTables.items(codebooks);
        int token = (item - part.firstTableItem) / perToken;
        part.tables[token].fill(
                codebooks, (item - part.firstTableItem) % perToken, members[member].kernel, x, token * in);
    }

    /** Computes the product with a team. */
    void run(Team team) {
        if (tokens > 1 || !fetching.isOpen()) {
            team.run(items(team.size()), this);
            return;
        }
        Prepared first = parts[0].weight();
        fetching.begin(first);
        int items = items(team.size());
        long began = System.nanoTime();
        team.run(items, this);
        fetching.took(first, System.nanoTime() - began);
    }

    /** Readies the items and says how many there are. */
    private int items(int threads) {
        int items = 0;
        for (int i = 0; i < partCount; i++) {
            Part part = parts[i];
            Prepared weight = part.weight();
            Strips strips = weight.strips();
            int units = strips == null ? weight.out() : strips.strips();
            long unitBytes = Math.max(1, weight.base().storedBytes() / units);
            int fair = Math.max(1, units / (4 * threads));
            part.itemSize =
                    fetching.touches() && strips != null ? Math.clamp(TOUCHED_BYTES / unitBytes, 1, fair) : fair;
            part.firstItem = items;
            items += (units + part.itemSize - 1) / part.itemSize;
        }
        return items;
    }

    /** The activations for a plane: those of another weight where it reads the same. */
    private Slot slot(Plane plane, float zero, int segmentSize) {
        for (int i = 0; i < usedSlots; i++) {
            Slot known = slots.get(i);
            if (known.plane == plane && known.zero == zero && known.segmentSize == segmentSize) {
                return known;
            }
        }
        if (usedSlots == slots.size()) {
            slots.add(new Slot());
        }
        Slot slot = slots.get(usedSlots++);
        slot.plane = plane;
        slot.zero = zero;
        slot.segmentSize = segmentSize;
        if (slot.inputs.length < tokens) {
            slot.inputs = new StripInput[tokens];
            slot.tables = new ProductTables[tokens];
            for (int t = 0; t < tokens; t++) {
                slot.inputs[t] = new StripInput();
                slot.tables[t] = new ProductTables();
            }
        }
        for (int t = 0; t < tokens; t++) {
            if (usesTables(plane)) {
                slot.tables[t].load(plane, zero, segmentSize, in, x, t * in);
            } else {
                slot.inputs[t].load(plane, zero, segmentSize, in, x, t * in);
            }
        }
        return slot;
    }

    private boolean usesTables(Plane plane) {
        return activations == Activations.INT8 && plane != Plane.EIGHT;
    }

    private void multiplyInner(Part part, Adapter adapter) {
        int rank = adapter.rank();
        if (part.inner.length < tokens * rank) {
            part.inner = new float[tokens * rank];
        }
        DenseRows rows = members[0].rows;
        rows.load(adapter.a(), 0, rank);
        for (int t = 0; t < tokens; t++) {
            rows.multiply(x, t * in, part.inner, t * rank);
        }
        for (int i = 0; i < tokens * rank; i++) {
            part.inner[i] *= adapter.scaling();
        }
    }

    @Override
    public void run(int item, int member) {
        int i = partCount - 1;
        while (parts[i].firstItem > item) {
            i--;
        }
        Part part = parts[i];
        int first = (item - part.firstItem) * part.itemSize;
        Strips strips = part.weight().strips();
        if (strips == null) {
            runRows(part, first, members[member]);
            return;
        }
        int end = Math.min(first + part.itemSize, strips.strips());
        if (fetching.touches()) {
            members[member].stage.touched += strips.touch(first, end - first);
        }
        for (int strip = first; strip < end; strip++) {
            for (int t = 0; t < tokens; t++) {
                runStrip(part, strips, strip, t, members[member]);
            }
        }
    }

    private void runStrip(Part part, Strips strips, int strip, int token, Member own) {
        StripStage stage = own.stage;
        Arrays.fill(stage.sums, 0);
        for (int p = 0; p < strips.planeCount(); p++) {
            stage.move(strips, strip, p);
            Plane plane = strips.plane(p);
            if (usesTables(plane)) {
                own.tables.add(stage, part.slots[p].tables[token]);
            } else {
                own.product.add(plane, stage, part.slots[p].inputs[token]);
            }
        }
        Adapter adapter = part.weight().adapter();
        if (adapter != null) {
            adapter.add(strip, part.inner, token * adapter.rank(), stage.sums);
        }
        int row = strip * Strips.ROWS;
        int count = Math.min(Strips.ROWS, strips.out() - row);
        System.arraycopy(stage.sums, 0, part.y, token * strips.out() + row, count);
    }

    private void runRows(Part part, int first, Member own) {
        Prepared weight = part.weight();
        int count = Math.min(part.itemSize, weight.out() - first);
        Codebooks tabled = part.tabled();
        Codebooks gathered = tokens == 1 && tabled == null ? weight.codebooks() : null;
        if (tabled == null && gathered == null) {
            own.rows.load(weight, first, count);
        }
        for (int t = 0; t < tokens; t++) {
            int to = t * weight.out() + first;
            if (tabled != null) {
                own.lookups.multiply(tabled, first, count, part.tables[t].products, part.y, to);
            } else if (gathered != null) {
                for (int row = 0; row < count; row++) {
                    part.y[to + row] = own.gathered.multiply(gathered, first + row, x, t * in);
                }
            } else {
                own.rows.multiply(x, t * in, part.y, to);
            }
            Adapter adapter = weight.adapter();
            for (int row = first; adapter != null && row < first + count; row++) {
                int at = t * weight.out() + row;
                part.y[at] = adapter.row(row, part.y[at], part.inner, t * adapter.rank());
            }
        }
    }
}
