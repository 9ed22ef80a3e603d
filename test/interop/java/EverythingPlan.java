import java.io.BufferedReader;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.FileInputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.apache.rocketmq.common.message.Message;

/**
 * What EverythingSend and EverythingReceive agree on: topics, what message i of a kind is like, and the two files between
 * them and the test: a ledger that they append lines to, and commands that they follow.
 */
final class EverythingPlan {
    static final String NORMAL = "EvNormal";
    static final String BATCH = "EvBatch";
    static final String ORDERED = "EvOrdered";
    static final String DELAYED = "EvDelayed";
    static final String TRANSACTION = "EvTransaction";
    static final String RETRY = "EvRetry";
    static final String FILTER = "EvFilter";
    static final String BROADCAST = "EvBroadcast";
    static final String RESIZED = "EvResized";
    static final String ASKED = "EvAsked";

    static final String TAGS = "TagA || TagC";
    static final String SQL = "number BETWEEN 20 AND 60 AND color = 'red'";
    static final int BROADCAST_MEMBERS = 2;
    static final int RECONSUME_MAX = 3;
    private static final int NEVER = 99;

    private EverythingPlan() {
    }

    /** Key, tag, properties and body follow from kind and number alone. Some bodies are large enough to be compressed. */
    static Message message(String kind, String topic, String key, int i) {
        Random random = new Random(kind.hashCode() * 31L + i);
        byte[] body = new byte[1 + random.nextInt(i % 50 == 7 ? 12_000 : 600)];
        for (int at = 0; at < body.length; at++) {
            body[at] = (byte) ('a' + random.nextInt(i % 50 == 7 ? 4 : 26));
        }
        Message message = new Message(topic, "Tag" + (char) ('A' + i % 3), key, body);
        message.putUserProperty("number", String.valueOf(i % 100));
        message.putUserProperty("color", i % 7 < 4 ? "red" : "blue");
        return message;
    }

    /** The groups of the filter's topic that message i is for. */
    static String filterGroups(int i) {
        List<String> groups = new ArrayList<>();
        if (i % 3 != 1) {
            groups.add("G-tag");
        }
        if (i % 100 >= 20 && i % 100 <= 60 && i % 7 < 4) {
            groups.add("G-sql");
        }
        return String.join(",", groups);
    }

    /** How often message i cannot be consumed before it can. Each sixth never can. */
    static int fails(int i) {
        return i % 6 == 5 ? NEVER : i % 3;
    }

    static boolean neverWorks(int i) {
        return fails(i) == NEVER;
    }

    /** c commit, r rollback, u unknown at first. */
    static char decision(int i) {
        return "ccruccru".charAt(i % 8);
    }

    static boolean commits(int i) {
        return decision(i) == 'c' || decision(i) == 'u' && i % 8 == 3;
    }

    /** How many checks of an undecided message are answered "unknown". */
    static int unknownChecks(int i) {
        return i / 8 % 2;
    }

    static int numberOf(String key) {
        return Integer.parseInt(key.substring(key.lastIndexOf('-') + 1));
    }

    /** Lines for the test, each there as a whole as soon as it is written: fields parted by tabs. */
    static final class Ledger {
        private final OutputStream out;

        Ledger(String path) throws IOException {
            out = new FileOutputStream(path, true);
        }

        synchronized void line(Object... fields) {
            StringBuilder text = new StringBuilder();
            for (Object field : fields) {
                text.append(text.length() > 0 ? "\t" : "").append(String.valueOf(field).replace('\t', ' ').replace('\n', ' '));
            }
            try {
                out.write(text.append('\n').toString().getBytes(StandardCharsets.UTF_8));
            } catch (IOException e) {
                // Without the ledger nothing that follows proves anything.
                e.printStackTrace();
                Runtime.getRuntime().halt(3);
            }
        }
    }

    /** A file that the test appends commands to, read as it grows. */
    static final class Commands {
        private final File file;
        private int taken;

        Commands(String path) {
            file = new File(path);
        }

        List<String[]> next() throws IOException {
            List<String[]> found = new ArrayList<>();
            if (!file.exists()) {
                return found;
            }
            try (BufferedReader reader = new BufferedReader(new InputStreamReader(new FileInputStream(file), StandardCharsets.UTF_8))) {
                int at = 0;
                for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                    if (at++ >= taken) {
                        found.add(line.split(" "));
                    }
                }
                taken = at;
            }
            return found;
        }
    }
}
