import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.client.QueryResult;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Reads every message of the topics by queue, and looks up every n-th one by id and by key.
 *
 * Options: namesrv, topics (by commas), lookup (n, 0 = none), group.
 * Prints:  QUEUE topic queueId min max | REC topic queueId queueOffset physicalOffset key hash msgId offsetMsgId tags |
 *          BAD what | DONE records lookups bad
 */
public final class ReadAll {
    private static int bad;
    private static int lookups;

    public static void main(String[] args) throws Exception {
        int lookup = Common.number(args, "lookup", 0);
        DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(Common.option(args, "group", "InteropReader"));
        consumer.setNamesrvAddr(Common.option(args, "namesrv", "127.0.0.1:9876"));
        consumer.setInstanceName("read-" + System.nanoTime());
        consumer.start();
        int records = 0;
        for (String topic : Common.option(args, "topics", "Interop").split(",")) {
            Set<MessageQueue> queues = new TreeSet<>(consumer.fetchSubscribeMessageQueues(topic));
            for (MessageQueue queue : queues) {
                List<MessageExt> found = read(consumer, queue);
                for (MessageExt message : found) {
                    Common.say("REC", topic, queue.getQueueId(), message.getQueueOffset(), message.getCommitLogOffset(), message.getKeys(),
                        Common.sha256(message.getBody()), message.getMsgId(), offsetId(message), message.getTags());
                    if (lookup > 0 && records % lookup == 0) {
                        look(consumer, topic, message);
                    }
                    records++;
                }
            }
        }
        Common.say("DONE", records, lookups, bad);
        consumer.shutdown();
        Common.finish(0);
    }

    private static List<MessageExt> read(DefaultMQPullConsumer consumer, MessageQueue queue) throws Exception {
        long min = consumer.minOffset(queue);
        long max = consumer.maxOffset(queue);
        Common.say("QUEUE", queue.getTopic(), queue.getQueueId(), min, max);
        List<MessageExt> found = new ArrayList<>();
        long next = min;
        while (next < max) {
            PullResult result = consumer.pull(queue, "*", next, 32);
            if (result.getPullStatus() == PullStatus.FOUND) {
                for (MessageExt message : result.getMsgFoundList()) {
                    if (message.getQueueOffset() != next + result.getMsgFoundList().indexOf(message)) {
                        problem("queue " + queue + " gave offset " + message.getQueueOffset() + " after " + next);
                    }
                    found.add(message);
                }
            } else {
                problem("queue " + queue + " at " + next + " of " + max + ": " + result.getPullStatus());
            }
            if (result.getNextBeginOffset() <= next) {
                problem("queue " + queue + " does not get beyond " + next);
                break;
            }
            next = result.getNextBeginOffset();
        }
        return found;
    }

    private static void look(DefaultMQPullConsumer consumer, String topic, MessageExt message) {
        lookups++;
        String wanted = Common.sha256(message.getBody());
        try {
            MessageExt viewed = consumer.viewMessage(topic, offsetId(message));
            if (!Common.sha256(viewed.getBody()).equals(wanted)) {
                problem("by id " + offsetId(message) + ": another body");
            }
        } catch (Exception e) {
            problem("by id " + offsetId(message) + ": " + e);
        }
        if (message.getKeys() == null) {
            return;
        }
        try {
            QueryResult result = consumer.queryMessage(topic, message.getKeys(), 64, 0, Long.MAX_VALUE);
            boolean there = false;
            for (MessageExt one : result.getMessageList()) {
                there |= one.getQueueOffset() == message.getQueueOffset() && one.getQueueId() == message.getQueueId()
                    && Common.sha256(one.getBody()).equals(wanted);
            }
            if (!there) {
                problem("by key " + message.getKeys() + ": not among " + result.getMessageList().size());
            }
        } catch (Exception e) {
            problem("by key " + message.getKeys() + ": " + e);
        }
    }

    private static String offsetId(MessageExt message) {
        try {
            return String.valueOf(message.getClass().getMethod("getOffsetMsgId").invoke(message));
        } catch (ReflectiveOperationException e) {
            return message.getMsgId();
        }
    }

    private static void problem(String what) {
        bad++;
        Common.say("BAD", what.replace('\n', ' '));
    }
}
