import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * A push consumer that cannot consume a message the first `fail` times (negative: never can), and says each try.
 *
 * Options: namesrv, topic, group, fail, orderly (true/false), max (reconsume times), level (of the next try, else the
 *          broker's), gots (ends after so many tries), linger (and so many ms more, for one too many), idle (ms without any).
 * Prints:  READY | GOT key hash topic reconsumeTimes storeTimestamp now msgId properties | DONE tries
 */
public final class Retry {
    private static final ConcurrentHashMap<String, AtomicInteger> tries = new ConcurrentHashMap<>();
    private static final AtomicInteger all = new AtomicInteger();
    private static volatile long last = System.currentTimeMillis();

    public static void main(String[] args) throws Exception {
        int fail = Common.number(args, "fail", 1);
        int level = Common.number(args, "level", 0);
        int gots = Common.number(args, "gots", Integer.MAX_VALUE);
        int idle = Common.number(args, "idle", 5_000);
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(Common.option(args, "group", "InteropRetry"));
        consumer.setNamesrvAddr(Common.option(args, "namesrv", "127.0.0.1:9876"));
        consumer.setInstanceName("retry-" + System.nanoTime());
        // The retry topic comes into being with the first heartbeat: by default it is looked for 20 to 30 s later.
        consumer.setPollNameServerInterval(1000);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setMaxReconsumeTimes(Common.number(args, "max", -1));
        consumer.setSuspendCurrentQueueTimeMillis(200);
        consumer.subscribe(Common.option(args, "topic", "Interop"), "*");
        if (Common.option(args, "orderly", "false").equals("true")) {
            consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
                return consumed(messages, fail) ? ConsumeOrderlyStatus.SUCCESS : ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
            });
        } else {
            consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
                context.setDelayLevelWhenNextConsume(level);
                return consumed(messages, fail) ? ConsumeConcurrentlyStatus.CONSUME_SUCCESS : ConsumeConcurrentlyStatus.RECONSUME_LATER;
            });
        }
        consumer.start();
        Common.say("READY");
        System.out.flush();
        while (all.get() < gots && System.currentTimeMillis() - last < idle) {
            Thread.sleep(20);
        }
        Thread.sleep(Common.number(args, "linger", 0));
        // What the last tries led to has still to reach the broker.
        consumer.setAwaitTerminationMillisWhenShutdown(2000);
        Thread.sleep(500);
        consumer.shutdown();
        Common.say("DONE", all.get());
        Common.finish(0);
    }

    private static boolean consumed(List<MessageExt> messages, int fail) {
        boolean isDone = true;
        for (MessageExt message : messages) {
            last = System.currentTimeMillis();
            String key = String.valueOf(message.getKeys());
            int before = tries.computeIfAbsent(key, k -> new AtomicInteger()).getAndIncrement();
            all.incrementAndGet();
            Common.say("GOT", key, Common.sha256(message.getBody()), message.getTopic(), message.getReconsumeTimes(),
                message.getStoreTimestamp(), last, message.getMsgId(), message.getProperties());
            isDone &= fail >= 0 && before >= fail;
        }
        return isDone;
    }
}
