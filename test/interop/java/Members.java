import java.io.File;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;

/**
 * Several consumer groups and a producer in one JVM, for as long as the test lets it run.
 *
 * Options: namesrv, sets (name/members/properties, by commas: group G-name of so many consumers on topic name; properties by "+":
 *          broadcast, v2 (heartbeat V2)), send (messages to each topic at the start),
 *          loop (a topic that is sent to until the file `stop` is there).
 * Prints:  SENT topic key | GOT name member key queueId | HAS name member queues (as it changes) | STOPPED
 */
public final class Members {
    public static void main(String[] args) throws Exception {
        String namesrv = Common.option(args, "namesrv", "127.0.0.1:9876");
        DefaultMQProducer producer = new DefaultMQProducer("MembersProducer");
        producer.setNamesrvAddr(namesrv);
        producer.setInstanceName("members-producer");
        producer.setPollNameServerInterval(500);
        producer.start();
        Map<String, DefaultMQPushConsumer> consumers = new LinkedHashMap<>();
        for (String set : Common.option(args, "sets", "").split(",")) {
            String[] parts = set.split("/");
            for (int i = 0; i < Common.number(args, "send", 10); i++) {
                send(producer, parts[0], parts[0] + "-" + i);
            }
            for (int member = 0; member < Integer.parseInt(parts[1]); member++) {
                consumers.put(parts[0] + "\t" + member, consumer(namesrv, parts[0], member, parts.length > 2 ? parts[2] : ""));
            }
        }
        String loop = Common.option(args, "loop", "");
        File stop = new File(Common.option(args, "stop", ""));
        Map<String, Long> queues = new HashMap<>();
        for (int i = 0;; i++) {
            if (!loop.isEmpty() && !stop.exists()) {
                send(producer, loop, "loop-" + i);
            } else if (!loop.isEmpty()) {
                Common.say("STOPPED");
                loop = "";
            }
            consumers.forEach((name, consumer) -> {
                String topic = name.substring(0, name.indexOf('\t'));
                long has = consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet().stream()
                    .filter(queue -> queue.getTopic().equals(topic)).count();
                Long before = queues.put(name, has);
                if (before == null || before != has) {
                    Common.say("HAS", name, has);
                }
            });
            Thread.sleep(20);
        }
    }

    private static void send(DefaultMQProducer producer, String topic, String key) throws Exception {
        for (int tries = 0;; tries++) {
            try {
                producer.send(new Message(topic, "TagA", key, key.getBytes()));
                Common.say("SENT", topic, key);
                return;
            } catch (Exception e) {
                if (tries > 20) {
                    throw e;
                }
                Thread.sleep(100);
            }
        }
    }

    private static DefaultMQPushConsumer consumer(String namesrv, String name, int member, String properties) throws Exception {
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer("G-" + name);
        consumer.setNamesrvAddr(namesrv);
        consumer.setInstanceName(name + "-" + member);
        consumer.setPollNameServerInterval(500);
        consumer.setPersistConsumerOffsetInterval(500);
        consumer.setHeartbeatBrokerInterval(1_000);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        for (String property : properties.split("\\+")) {
            if (property.equals("broadcast")) {
                model(consumer, "BROADCASTING");
            } else if (property.equals("v2")) {
                consumer.getClass().getMethod("setUseHeartbeatV2", boolean.class).invoke(consumer, true);
            }
        }
        consumer.subscribe(name, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            messages.forEach(message -> Common.say("GOT", name, member, message.getKeys(), message.getQueueId()));
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        return consumer;
    }

    /** The enum is in another package in each version. */
    @SuppressWarnings({"unchecked", "rawtypes"})
    static void model(DefaultMQPushConsumer consumer, String model) throws Exception {
        for (java.lang.reflect.Method method : consumer.getClass().getMethods()) {
            if (method.getName().equals("setMessageModel")) {
                method.invoke(consumer, Enum.valueOf((Class) method.getParameterTypes()[0], model));
            }
        }
    }
}
