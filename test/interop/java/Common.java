import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Random;
import org.apache.rocketmq.acl.common.AclClientRPCHook;
import org.apache.rocketmq.acl.common.SessionCredentials;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.remoting.RPCHook;

/** What the programs share: messages from a seed, their hashes, lines for the test to read (fields parted by tabs). */
final class Common {
    private Common() {
    }

    static String sha256(byte[] body) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(body == null ? new byte[0] : body);
            StringBuilder text = new StringBuilder();
            for (int i = 0; i < 16; i++) {
                text.append(String.format("%02x", digest[i]));
            }
            return text.toString();
        } catch (java.security.NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    /**
     * Message i of a seed: key s<seed>-i, tag TagA (even) or TagB (odd), properties user and number, a body of 1 to maxBody bytes.
     * Sizes are skewed towards small ones; a third of the bodies is text, so that those over 4 KiB get compressed.
     */
    static Message message(String topic, long seed, int i, int maxBody) {
        Random random = new Random(seed * 1_000_003L + i);
        int limit = random.nextInt(10) < 8 ? Math.min(maxBody, 1024) : maxBody;
        byte[] body = new byte[1 + random.nextInt(limit)];
        if (random.nextInt(3) == 0) {
            for (int at = 0; at < body.length; at++) {
                body[at] = (byte) ('a' + random.nextInt(4));
            }
        } else {
            random.nextBytes(body);
        }
        Message message = new Message(topic, i % 2 == 0 ? "TagA" : "TagB", key(seed, i), body);
        message.setFlag(i % 7);
        message.putUserProperty("user", "\u00fcmlaut-" + i);
        message.putUserProperty("number", String.valueOf(i));
        return message;
    }

    static String key(long seed, int i) {
        return "s" + seed + "-" + i;
    }

    static synchronized void say(Object... fields) {
        StringBuilder line = new StringBuilder();
        for (Object field : fields) {
            if (line.length() > 0) {
                line.append('\t');
            }
            line.append(field);
        }
        line.append('\n');
        byte[] bytes = line.toString().getBytes(StandardCharsets.UTF_8);
        System.out.write(bytes, 0, bytes.length);
    }

    static void finish(int status) {
        System.out.flush();
        System.exit(status);
    }

    /** name=value arguments. */
    static String option(String[] args, String name, String otherwise) {
        for (String arg : args) {
            if (arg.startsWith(name + "=")) {
                return arg.substring(name.length() + 1);
            }
        }
        return otherwise;
    }

    /** Signs as accessKey with secretKey; null without them. */
    static RPCHook hook(String[] args) {
        String accessKey = option(args, "accessKey", null);
        return accessKey == null ? null : new AclClientRPCHook(new SessionCredentials(accessKey, option(args, "secretKey", "")));
    }

    static int number(String[] args, String name, int otherwise) {
        return Integer.parseInt(option(args, name, String.valueOf(otherwise)));
    }
}
