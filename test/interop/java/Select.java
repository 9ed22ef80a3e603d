import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Pulls a topic whole with a filter: queue by queue with the old pull consumer, or by the lite one until nothing came for a
 * while.
 *
 * Options: namesrv, topic, group, mode (pull/lite), tags or sql, idle.
 * Prints:  GOT key | EMPTY count (pulls that were answered without a message) | REFUSED code remark | DONE count
 */
public final class Select {
    private static int count;

    public static void main(String[] args) throws Exception {
        String sql = Common.option(args, "sql", "");
        MessageSelector selector = sql.isEmpty()
            ? MessageSelector.byTag(Common.option(args, "tags", "*")) : MessageSelector.bySql(sql);
        try {
            if (Common.option(args, "mode", "pull").equals("lite")) {
                lite(args, selector);
            } else {
                pull(args, selector);
            }
            Common.say("DONE", count);
            Common.finish(0);
        } catch (Exception e) {
            e.printStackTrace();
            Common.finish(1);
        }
    }

    private static void pull(String[] args, MessageSelector selector) throws Exception {
        DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(Common.option(args, "group", "InteropSelect"));
        consumer.setNamesrvAddr(Common.option(args, "namesrv", "127.0.0.1:9876"));
        consumer.setInstanceName("select-" + System.nanoTime());
        consumer.start();
        int empty = 0;
        Set<MessageQueue> queues = new TreeSet<>(consumer.fetchSubscribeMessageQueues(Common.option(args, "topic", "Interop")));
        try {
            for (MessageQueue queue : queues) {
                long max = consumer.maxOffset(queue);
                for (long next = consumer.minOffset(queue); next < max;) {
                    PullResult result = pulled(consumer, queue, selector, next);
                    if (result.getMsgFoundList() == null || result.getMsgFoundList().isEmpty()) {
                        empty++;
                    } else {
                        for (MessageExt message : result.getMsgFoundList()) {
                            got(message);
                        }
                    }
                    if (result.getNextBeginOffset() <= next) {
                        break;
                    }
                    next = result.getNextBeginOffset();
                }
            }
        } catch (MQBrokerException e) {
            Common.say("REFUSED", e.getResponseCode(), String.valueOf(e.getErrorMessage()).replace('\n', ' '));
        }
        Common.say("EMPTY", empty);
        consumer.shutdown();
    }

    /** 4.9 filters by SQL92 only at a broker whose version it has heard, with the answer to its first heartbeat. */
    private static PullResult pulled(DefaultMQPullConsumer consumer, MessageQueue queue, MessageSelector selector, long next)
        throws Exception {
        for (int tries = 0;; tries++) {
            try {
                return consumer.pull(queue, selector, next, 32);
            } catch (MQClientException e) {
                if (tries == 200) {
                    throw e;
                }
                Thread.sleep(200);
            }
        }
    }

    private static void lite(String[] args, MessageSelector selector) throws Exception {
        DefaultLitePullConsumer consumer = new DefaultLitePullConsumer(Common.option(args, "group", "InteropSelect"));
        consumer.setNamesrvAddr(Common.option(args, "namesrv", "127.0.0.1:9876"));
        consumer.setInstanceName("lite-" + System.nanoTime());
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(Common.option(args, "topic", "Interop"), selector);
        consumer.start();
        long idle = Common.number(args, "idle", 3000);
        int distinct = Common.number(args, "distinct", Integer.MAX_VALUE);
        for (long last = System.currentTimeMillis(); System.currentTimeMillis() - last < idle && count < distinct;) {
            for (MessageExt message : consumer.poll(200)) {
                got(message);
                last = System.currentTimeMillis();
            }
        }
        consumer.shutdown();
    }

    private static void got(MessageExt message) {
        count++;
        Common.say("GOT", message.getKeys());
    }
}
