import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragely;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * A push consumer that says what it receives, until `distinct` different keys have come or nothing came for `idle` ms.
 *
 * Options: namesrv, topic, group, tags (an expression, default *) or sql, distinct, idle, orderly (true/false),
 *          from (first/last), broadcast (true/false), instance (its name), accessKey, secretKey.
 * Prints:  REFUSED why | READY | GOT key hash queueId queueOffset tags msgId offsetMsgId bornTimestamp now
 *          | DONE distinct all
 */
public final class Push {
    private static final Set<String> keys = ConcurrentHashMap.newKeySet();
    private static volatile long last = System.currentTimeMillis();
    private static int all;

    public static void main(String[] args) throws Exception {
        int distinct = Common.number(args, "distinct", Integer.MAX_VALUE);
        int idle = Common.number(args, "idle", 10_000);
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(Common.option(args, "group", "InteropConsumer"),
            Common.hook(args), new AllocateMessageQueueAveragely());
        consumer.setNamesrvAddr(Common.option(args, "namesrv", "127.0.0.1:9876"));
        consumer.setInstanceName(Common.option(args, "instance", "push-" + System.nanoTime()));
        if (Common.option(args, "broadcast", "false").equals("true")) {
            Members.model(consumer, "BROADCASTING");
        }
        // A route or a heartbeat that fails is tried again soon, and not after half a minute.
        consumer.setPollNameServerInterval(1000);
        consumer.setHeartbeatBrokerInterval(1000);
        consumer.setConsumeFromWhere(Common.option(args, "from", "first").equals("first")
            ? ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET : ConsumeFromWhere.CONSUME_FROM_LAST_OFFSET);
        String sql = Common.option(args, "sql", "");
        consumer.subscribe(Common.option(args, "topic", "Interop"),
            sql.isEmpty() ? MessageSelector.byTag(Common.option(args, "tags", "*")) : MessageSelector.bySql(sql));
        if (Common.option(args, "orderly", "false").equals("true")) {
            consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
                received(messages);
                return ConsumeOrderlyStatus.SUCCESS;
            });
        } else {
            consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
                received(messages);
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            });
        }
        try {
            consumer.start();
        } catch (MQClientException e) {
            Common.say("REFUSED", String.valueOf(e.getMessage()).replace('\n', ' '));
            Common.finish(0);
        }
        Common.say("READY");
        System.out.flush();
        while (keys.size() < distinct && System.currentTimeMillis() - last < idle) {
            Thread.sleep(20);
        }
        // The listeners have still to return before their offsets count as consumed.
        consumer.setAwaitTerminationMillisWhenShutdown(2000);
        Thread.sleep(300);
        consumer.shutdown();
        Common.say("DONE", keys.size(), all);
        Common.finish(0);
    }

    private static synchronized void received(List<MessageExt> messages) {
        last = System.currentTimeMillis();
        for (MessageExt message : messages) {
            all++;
            keys.add(String.valueOf(message.getKeys()));
            Common.say("GOT", message.getKeys(), Common.sha256(message.getBody()), message.getQueueId(), message.getQueueOffset(),
                message.getTags(), message.getMsgId(), offsetId(message), message.getBornTimestamp(), last);
        }
    }

    /** getMsgId() is the client's id where there is one; the broker's (by offset) is only in the class beneath. */
    private static String offsetId(MessageExt message) {
        try {
            return String.valueOf(message.getClass().getMethod("getOffsetMsgId").invoke(message));
        } catch (ReflectiveOperationException e) {
            return message.getMsgId();
        }
    }
}
