import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.RequestCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Requests and their replies. role=ask: sends `count` requests and waits for each reply. role=answer: a consumer that
 * replies to what it gets with "reply to <key>", until it has replied to `count` requests or nothing came for `idle` ms.
 *
 * Options: namesrv, topic, group, role, count, timeout (ms), mode (sync, async, queue: async to chosen
 *          queues), idle, late (ms before a reply is sent).
 * Prints:  REPLY key body correlation properties | FAILED key why | READY |
 *          REPLIED key status offsetMsgId queueOffset | NOTREPLIED key why | DONE
 */
public final class Ask {
    private static volatile long last = System.currentTimeMillis();
    private static int replied;

    public static void main(String[] args) throws Exception {
        if (Common.option(args, "role", "ask").equals("ask")) {
            ask(args);
        } else {
            answer(args);
        }
        Common.say("DONE");
        Common.finish(0);
    }

    private static DefaultMQProducer producer(String[] args, String group) throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer(group);
        producer.setNamesrvAddr(Common.option(args, "namesrv", "127.0.0.1:9876"));
        producer.setInstanceName(group + "-" + System.nanoTime());
        producer.setPollNameServerInterval(1000);
        producer.start();
        return producer;
    }

    private static void ask(String[] args) throws Exception {
        DefaultMQProducer producer = producer(args, Common.option(args, "group", "AskProducer"));
        int count = Common.number(args, "count", 10);
        long timeout = Common.number(args, "timeout", 10_000);
        String mode = Common.option(args, "mode", "sync");
        List<MessageQueue> queues = producer.fetchPublishMessageQueues(Common.option(args, "topic", "Requests"));
        CountDownLatch left = new CountDownLatch(count);
        for (int i = 0; i < count; i++) {
            Message message = new Message(Common.option(args, "topic", "Requests"), "", "q-" + i, ("request " + i).getBytes(StandardCharsets.UTF_8));
            String key = message.getKeys();
            RequestCallback callback = new RequestCallback() {
                @Override
                public void onSuccess(Message reply) {
                    said(key, reply);
                    left.countDown();
                }

                @Override
                public void onException(Throwable e) {
                    failed(key, e);
                    left.countDown();
                }
            };
            if (mode.equals("async")) {
                producer.request(message, callback, timeout);
                continue;
            }
            if (mode.equals("queue")) {
                producer.request(message, queues.get(i % queues.size()), callback, timeout);
                continue;
            }
            try {
                said(key, producer.request(message, timeout));
            } catch (Exception e) {
                failed(key, e);
            }
            left.countDown();
        }
        left.await();
        producer.shutdown();
    }

    private static void said(String key, Message reply) {
        Common.say("REPLY", key, new String(reply.getBody(), StandardCharsets.UTF_8), reply.getProperty("CORRELATION_ID") != null,
            new java.util.TreeSet<>(reply.getProperties().keySet()));
    }

    private static void failed(String key, Throwable e) {
        Common.say("FAILED", key, why(e));
    }

    /** The client says how often it tried; what the broker said is in the cause. */
    private static String why(Throwable e) {
        String text = e.getClass().getSimpleName() + " " + String.valueOf(e.getMessage()).split("\n")[0];
        return e.getCause() == null ? text : text + ": " + why(e.getCause());
    }

    private static void answer(String[] args) throws Exception {
        int count = Common.number(args, "count", 10);
        int idle = Common.number(args, "idle", 10_000);
        int late = Common.number(args, "late", 0);
        DefaultMQProducer replies = producer(args, "AnswerProducer");
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(Common.option(args, "group", "AnswerConsumer"));
        consumer.setNamesrvAddr(Common.option(args, "namesrv", "127.0.0.1:9876"));
        consumer.setInstanceName("answer-" + System.nanoTime());
        consumer.setPollNameServerInterval(1000);
        consumer.setHeartbeatBrokerInterval(1000);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(Common.option(args, "topic", "Requests"), "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            reply(replies, messages, late);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        Common.say("READY");
        System.out.flush();
        while (replied < count && System.currentTimeMillis() - last < idle) {
            Thread.sleep(20);
        }
        Thread.sleep(200);
        consumer.shutdown();
        replies.shutdown();
    }

    private static synchronized void reply(DefaultMQProducer producer, List<MessageExt> messages, int late) {
        for (MessageExt message : messages) {
            last = System.currentTimeMillis();
            try {
                Thread.sleep(late);
                Message reply = MessageUtil.createReplyMessage(message, ("reply to " + message.getKeys()).getBytes(StandardCharsets.UTF_8));
                SendResult result = producer.send(reply, 5000);
                Common.say("REPLIED", message.getKeys(), result.getSendStatus(), result.getOffsetMsgId(), result.getQueueOffset());
            } catch (Exception e) {
                Common.say("NOTREPLIED", message.getKeys(), why(e));
            }
            replied++;
        }
    }
}
