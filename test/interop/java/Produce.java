import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Sends messages of a seed and says each one that was acknowledged. What was not is sent again until it is, so the
 * broker may die in between.
 *
 * Options: namesrv, topic, group, count, seed, mode (sync, async, oneway, batch, ordered), max (bytes of a body), threads,
 *          accessKey, secretKey, tries (then it gives up; sync, ordered, batch),
 *          delay (levels by commas, used in turn; not by async and batch).
 * Prints:  ACK key hash queueId queueOffset offsetMsgId msgId | TRY key why | DONE acknowledged tries
 */
public final class Produce {
    private static final AtomicInteger acknowledged = new AtomicInteger();
    private static final AtomicInteger tries = new AtomicInteger();
    private static int triesMax;

    private static String[] delays = new String[0];

    public static void main(String[] args) throws Exception {
        String delay = Common.option(args, "delay", "");
        delays = delay.isEmpty() ? delays : delay.split(",");
        String topic = Common.option(args, "topic", "Interop");
        int count = Common.number(args, "count", 100);
        long seed = Common.number(args, "seed", 1);
        int max = Common.number(args, "max", 4096);
        int threads = Common.number(args, "threads", 1);
        String mode = Common.option(args, "mode", "sync");
        triesMax = Common.number(args, "tries", Integer.MAX_VALUE);
        DefaultMQProducer producer = new DefaultMQProducer(Common.option(args, "group", "InteropProducer"), Common.hook(args));
        producer.setNamesrvAddr(Common.option(args, "namesrv", "127.0.0.1:9876"));
        producer.setInstanceName("produce-" + System.nanoTime());
        producer.setDefaultTopicQueueNums(4);
        producer.setRetryTimesWhenSendFailed(0);
        producer.setRetryTimesWhenSendAsyncFailed(0);
        producer.start();
        if (mode.equals("async")) {
            async(producer, topic, seed, count, max);
        } else if (mode.equals("batch")) {
            batches(producer, topic, seed, count, max);
        } else {
            AtomicInteger next = new AtomicInteger();
            List<Thread> workers = new ArrayList<>();
            for (int t = 0; t < threads; t++) {
                Thread worker = new Thread(() -> {
                    for (int i = next.getAndIncrement(); i < count; i = next.getAndIncrement()) {
                        Message message = Common.message(topic, seed, i, max);
                        if (delays.length > 0) {
                            message.setDelayTimeLevel(Integer.parseInt(delays[i % delays.length]));
                        }
                        one(producer, mode, message, i);
                    }
                });
                worker.start();
                workers.add(worker);
            }
            for (Thread worker : workers) {
                worker.join();
            }
        }
        if (mode.equals("oneway")) {
            Thread.sleep(1000);
        }
        Common.say("DONE", acknowledged.get(), tries.get());
        producer.shutdown();
        Common.finish(0);
    }

    private static void one(DefaultMQProducer producer, String mode, Message message, int i) {
        for (int left = triesMax; left > 0; left--) {
            tries.incrementAndGet();
            try {
                if (mode.equals("oneway")) {
                    producer.sendOneway(message);
                    Common.say("SENT", message.getKeys(), Common.sha256(message.getBody()));
                    return;
                }
                SendResult result = mode.equals("ordered")
                    ? producer.send(message, (queues, m, arg) -> queues.get((Integer) arg % queues.size()), i % 4)
                    : producer.send(message);
                if (said(message, result)) {
                    return;
                }
            } catch (Exception e) {
                failed(message, e);
            }
        }
    }

    private static void async(DefaultMQProducer producer, String topic, long seed, int count, int max) throws Exception {
        CountDownLatch left = new CountDownLatch(count);
        Semaphore room = new Semaphore(64);
        for (int i = 0; i < count; i++) {
            room.acquire();
            Message message = Common.message(topic, seed, i, max);
            asyncOne(producer, message, () -> {
                room.release();
                left.countDown();
            });
        }
        left.await();
    }

    private static void asyncOne(DefaultMQProducer producer, Message message, Runnable done) {
        tries.incrementAndGet();
        try {
            producer.send(message, new SendCallback() {
                @Override
                public void onSuccess(SendResult result) {
                    if (said(message, result)) {
                        done.run();
                    } else {
                        asyncOne(producer, message, done);
                    }
                }

                @Override
                public void onException(Throwable e) {
                    failed(message, e);
                    asyncOne(producer, message, done);
                }
            });
        } catch (Exception e) {
            failed(message, e);
            asyncOne(producer, message, done);
        }
    }

    /** Batches of 20. A batch's answer has one queue offset, the first's, and all ids by commas. */
    private static void batches(DefaultMQProducer producer, String topic, long seed, int count, int max) {
        for (int from = 0; from < count; from += 20) {
            List<Message> batch = new ArrayList<>();
            for (int i = from; i < Math.min(count, from + 20); i++) {
                batch.add(Common.message(topic, seed, i, max));
            }
            for (int left = triesMax; left > 0; left--) {
                tries.incrementAndGet();
                try {
                    SendResult result = producer.send(batch);
                    if (result.getSendStatus() != SendStatus.SEND_OK) {
                        continue;
                    }
                    String[] offsetIds = result.getOffsetMsgId().split(",");
                    String[] ids = result.getMsgId().split(",");
                    for (int i = 0; i < batch.size(); i++) {
                        Message message = batch.get(i);
                        acknowledged.incrementAndGet();
                        Common.say("ACK", message.getKeys(), Common.sha256(message.getBody()), result.getMessageQueue().getQueueId(),
                            result.getQueueOffset() + i, offsetIds[i], ids[i]);
                    }
                    break;
                } catch (Exception e) {
                    failed(batch.get(0), e);
                }
            }
        }
    }

    private static boolean said(Message message, SendResult result) {
        if (result.getSendStatus() != SendStatus.SEND_OK) {
            Common.say("TRY", message.getKeys(), result.getSendStatus());
            return false;
        }
        acknowledged.incrementAndGet();
        MessageQueue queue = result.getMessageQueue();
        Common.say("ACK", message.getKeys(), Common.sha256(message.getBody()), queue.getQueueId(), result.getQueueOffset(),
            result.getOffsetMsgId(), result.getMsgId());
        return true;
    }

    private static void failed(Message message, Throwable e) {
        String why = String.valueOf(e.getMessage()).split("\n")[0];
        if (e.getCause() != null) {
            why += ": " + String.valueOf(e.getCause().getMessage()).split("\n")[0];
        }
        Common.say("TRY", message.getKeys(), e.getClass().getSimpleName() + " " + why);
        try {
            Thread.sleep(100);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
