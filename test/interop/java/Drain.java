import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;

/**
 * How fast a push consumer takes what is there: counts messages and does nothing else with them (bench/client/consume.mjs).
 *
 * Options: namesrv, topic, group, count (to wait for), batch (consumeMessageBatchMaxSize).
 * Prints:  DRAINED count milliseconds bytes    from the first message to the last
 */
public final class Drain {
    public static void main(String[] args) throws Exception {
        int count = Common.number(args, "count", 100_000);
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(Common.option(args, "group", "DrainGroup"));
        consumer.setNamesrvAddr(Common.option(args, "namesrv", "127.0.0.1:9876"));
        consumer.setInstanceName("drain-" + System.nanoTime());
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setConsumeMessageBatchMaxSize(Common.number(args, "batch", 1));
        consumer.subscribe(Common.option(args, "topic", "Drain"), "*");
        AtomicInteger seen = new AtomicInteger();
        AtomicInteger bytes = new AtomicInteger();
        long[] first = new long[1];
        long[] last = new long[1];
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            int before = seen.getAndAdd(messages.size());
            messages.forEach(message -> bytes.addAndGet(message.getBody().length));
            if (before == 0) {
                first[0] = System.nanoTime();
            }
            if (before + messages.size() >= count) {
                last[0] = System.nanoTime();
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        while (seen.get() < count) {
            Thread.sleep(10);
        }
        Thread.sleep(100);
        Common.say("DRAINED", seen.get(), (last[0] - first[0]) / 1_000_000, bytes.get());
        consumer.shutdown();
        Common.finish(0);
    }
}
