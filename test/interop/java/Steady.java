import java.io.File;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * A producer and a push consumer as a service runs them, for as long as the test likes: one message every few ms, with the
 * client's own retries, while brokers and NameServers come and go.
 *
 * Options: namesrv, topic, group, seed, pause (ms between sends), poll (ms between two looks for routes), heartbeat (ms), stop (a file that ends it).
 * Prints:  READY | ACK key hash broker queueId queueOffset | FAIL key why (all of the client's tries) | GOT key hash broker queueId |
 *          QUEUES broker,broker (of the queues that are pulled from, when they change) | DONE acknowledged distinct
 */
public final class Steady {
    private static final Map<String, Boolean> got = new ConcurrentHashMap<>();

    public static void main(String[] args) throws Exception {
        String topic = Common.option(args, "topic", "Steady");
        int poll = Common.number(args, "poll", 1000);
        DefaultMQProducer producer = new DefaultMQProducer(Common.option(args, "group", "Steady") + "Producer");
        producer.setNamesrvAddr(Common.option(args, "namesrv", "127.0.0.1:9876"));
        producer.setInstanceName("steady-producer-" + System.nanoTime());
        producer.setPollNameServerInterval(poll);
        producer.setHeartbeatBrokerInterval(Common.number(args, "heartbeat", 30_000));
        producer.start();
        findRoute(producer, topic);
        DefaultMQPushConsumer consumer = startedConsumer(args, topic, poll);
        Common.say("READY");
        System.out.flush();

        File stop = new File(Common.option(args, "stop", "stop"));
        int pause = Common.number(args, "pause", 5);
        long seed = Common.number(args, "seed", 1);
        Map<String, Boolean> acknowledged = new ConcurrentHashMap<>();
        String queues = "";
        for (int i = 0; !stop.exists(); i++) {
            String now = brokers(consumer, topic);
            if (!now.equals(queues)) {
                Common.say("QUEUES", now);
                queues = now;
            }
            Message message = Common.message(topic, seed, i, 1024);
            String hash = Common.sha256(message.getBody());
            try {
                SendResult result = producer.send(message);
                if (result.getSendStatus() == SendStatus.SEND_OK) {
                    acknowledged.put(message.getKeys(), true);
                    Common.say("ACK", message.getKeys(), hash, result.getMessageQueue().getBrokerName(),
                        result.getMessageQueue().getQueueId(), result.getQueueOffset());
                } else {
                    Common.say("FAIL", message.getKeys(), result.getSendStatus());
                }
            } catch (Exception e) {
                Common.say("FAIL", message.getKeys(), String.valueOf(e.getMessage()).replace('\n', ' '));
            }
            Thread.sleep(pause);
        }
        for (int i = 0; i < 300 && !got.keySet().containsAll(acknowledged.keySet()); i++) {
            Thread.sleep(100);
        }
        Common.say("DONE", acknowledged.size(), got.size());
        producer.shutdown();
        consumer.shutdown();
        Common.finish(0);
    }

    /** A producer of 5.x does not get its first route, nor sends, when the NameServer that it happens to pick first is dead. */
    private static void findRoute(DefaultMQProducer producer, String topic) throws Exception {
        for (int tries = 1;; tries++) {
            try {
                producer.fetchPublishMessageQueues(topic);
                return;
            } catch (Exception e) {
                if (tries == 20) {
                    throw e;
                }
                Thread.sleep(500);
            }
        }
    }

    /** A consumer of 5.x does not start when the NameServer that it happens to pick first is dead: a service would be started again. */
    private static DefaultMQPushConsumer startedConsumer(String[] args, String topic, int poll) throws Exception {
        for (int tries = 1;; tries++) {
            DefaultMQPushConsumer consumer = consumer(args, topic, poll);
            try {
                consumer.start();
                return consumer;
            } catch (Exception e) {
                if (tries == 20) {
                    throw e;
                }
                consumer.shutdown();
                Thread.sleep(500);
            }
        }
    }

    private static String brokers(DefaultMQPushConsumer consumer, String topic) {
        TreeSet<String> names = new TreeSet<>();
        for (MessageQueue queue : consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet()) {
            if (queue.getTopic().equals(topic)) {
                names.add(queue.getBrokerName());
            }
        }
        return String.join(",", names);
    }

    private static DefaultMQPushConsumer consumer(String[] args, String topic, int poll) throws Exception {
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(Common.option(args, "group", "Steady") + "Consumer");
        consumer.setNamesrvAddr(Common.option(args, "namesrv", "127.0.0.1:9876"));
        consumer.setInstanceName("steady-consumer-" + System.nanoTime());
        consumer.setPollNameServerInterval(poll);
        consumer.setHeartbeatBrokerInterval(Common.number(args, "heartbeat", 30_000));
        consumer.setPersistConsumerOffsetInterval(1000);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            for (MessageExt message : messages) {
                got.put(message.getKeys(), true);
                Common.say("GOT", message.getKeys(), Common.sha256(message.getBody()), context.getMessageQueue().getBrokerName(),
                    message.getQueueId());
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        return consumer;
    }
}
