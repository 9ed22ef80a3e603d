import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.RequestCallback;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Sends every kind of message at once, each at its own pace, until it is told to stop. What is not acknowledged is sent again
 * with the same key until it is, so the broker may die at any time.
 *
 * Options:  namesrv, ledger (file), commands (file), delays (level:ms by commas), pace (percent of the usual rate).
 * Commands: use TOPIC, forget TOPIC (no more is sent to it: FORGOT), stop (no more is sent at all), end.
 * Ledger:   ACK kind topic key hash queueId queueOffset bornAt acknowledgedAt tries groups info | ONEWAY topic key hash groups |
 *           TRY kind key why | REPLY key right/wrong | UNANSWERED key why | LAST key right/wrong/why (asked after stop) |
 *           CHECK key answer
 * Prints:   FORGOT topic | STOPPED
 */
public final class EverythingSend {
    private static final int PENDING_MAX = 32;
    private static final int BATCH = 10;
    private static final int STREAMS = 8;
    private static final int LAST_QUESTIONS = 10;
    /** Of 3 s each: a client of 4.9 may wait for 30 s for the answer to a pull whose broker was killed. */
    private static final int LAST_TRIES = 15;

    private interface Send {
        SendResult send(Message message) throws Exception;
    }

    private interface Step {
        void run(int i) throws Exception;
    }

    private static EverythingPlan.Ledger ledger;
    private static String namesrv;
    private static double slow = 1;
    private static volatile boolean isStopped;
    private static final List<Thread> threads = new ArrayList<>();
    private static final List<String> made = new CopyOnWriteArrayList<>();
    private static final List<String> forgotten = new CopyOnWriteArrayList<>();
    private static final ScheduledExecutorService later = Executors.newSingleThreadScheduledExecutor();
    private static final Map<String, Integer> transactions = new ConcurrentHashMap<>();
    private static final Map<String, Integer> checks = new ConcurrentHashMap<>();

    public static void main(String[] args) throws Exception {
        Thread.currentThread().setUncaughtExceptionHandler((thread, e) -> {
            e.printStackTrace();
            Runtime.getRuntime().halt(4);
        });
        namesrv = Common.option(args, "namesrv", "");
        ledger = new EverythingPlan.Ledger(Common.option(args, "ledger", "sent"));
        slow = 100.0 / Common.number(args, "pace", 100);
        EverythingPlan.Commands commands = new EverythingPlan.Commands(Common.option(args, "commands", "commands"));
        DefaultMQProducer producer = started(new DefaultMQProducer("EvProducer"));
        DefaultMQProducer asking = started(new DefaultMQProducer("EvAsking"));
        TransactionMQProducer transacting = new TransactionMQProducer("EvTransacting");
        transacting.setTransactionListener(listener());
        started(transacting);

        for (int line = 0; line < 2; line++) {
            String name = "sync" + line;
            every(20, i -> one("normal", EverythingPlan.NORMAL, name + "-" + i, i, "G-normal", "", producer::send));
        }
        Semaphore room = new Semaphore(PENDING_MAX);
        every(20, i -> async(producer, room, i));
        every(50, i -> oneway(producer, i));
        every(200, i -> batch(producer, i));
        every(20, i -> one("ordered", EverythingPlan.ORDERED, "ordered-" + i, i, "G-ordered", "s" + i % STREAMS + "/" + i / STREAMS,
            m -> producer.send(m, (queues, message, arg) -> queues.get((Integer) arg % queues.size()), i % STREAMS)));
        String[] delays = Common.option(args, "delays", "1:1000").split(",");
        every(50, i -> delayed(producer, delays[i % delays.length].split(":"), i));
        every(50, i -> transaction(transacting, i));
        every(100, i -> one("retry", EverythingPlan.RETRY, "retry-" + i, i, EverythingPlan.neverWorks(i) ? "" : "G-retry",
            String.valueOf(EverythingPlan.fails(i)), producer::send));
        every(20, i -> one("filter", EverythingPlan.FILTER, "filter-" + i, i, EverythingPlan.filterGroups(i), "", producer::send));
        every(100, i -> one("broadcast", EverythingPlan.BROADCAST, "broadcast-" + i, i, "G-broadcast/0,G-broadcast/1", "", producer::send));
        every(30, i -> one("resized", EverythingPlan.RESIZED, "resized-" + i, i, "G-resized", "", producer::send));
        every(40, i -> toMade(producer, i));
        every(250, i -> ask(asking, i, false));

        for (boolean isRunning = true; isRunning; Thread.sleep(50)) {
            for (String[] command : commands.next()) {
                switch (command[0]) {
                    case "use": made.add(command[1]); break;
                    case "forget": forgotten.add(command[1]); break;
                    case "stop": stop(room, asking); break;
                    case "end": isRunning = false; break;
                    default: break;
                }
            }
        }
        for (DefaultMQProducer one : new DefaultMQProducer[] {producer, asking, transacting}) {
            one.shutdown();
        }
        Common.finish(0);
    }

    private static <P extends DefaultMQProducer> P started(P producer) throws Exception {
        producer.setNamesrvAddr(namesrv);
        producer.setInstanceName(producer.getProducerGroup() + "-" + System.nanoTime());
        producer.setPollNameServerInterval(1000);
        producer.setHeartbeatBrokerInterval(1000);
        // Ours are counted: more than that must not be stored.
        producer.setRetryTimesWhenSendFailed(0);
        producer.setRetryTimesWhenSendAsyncFailed(0);
        producer.start();
        return producer;
    }

    /** A thread that takes one step after the other, with a pause between them. */
    private static void every(int ms, Step step) {
        long pause = Math.round(ms * slow);
        Thread thread = new Thread(() -> {
            try {
                for (int i = 0; !isStopped; i++) {
                    step.run(i);
                    Thread.sleep(pause);
                }
            } catch (Throwable e) {
                e.printStackTrace();
                Runtime.getRuntime().halt(4);
            }
        });
        threads.add(thread);
        thread.start();
    }

    private static void stop(Semaphore room, DefaultMQProducer asking) throws Exception {
        isStopped = true;
        for (Thread thread : threads) {
            thread.join();
        }
        room.acquire(PENDING_MAX);
        for (int i = 0; i < LAST_QUESTIONS; i++) {
            ask(asking, i, true);
        }
        Common.say("STOPPED");
        System.out.flush();
    }

    /** Sends until it is acknowledged. */
    private static SendResult one(String kind, String topic, String key, int i, String groups, String info, Send send) throws Exception {
        for (int tries = 1;; tries++) {
            Message message = EverythingPlan.message(kind, topic, key, i);
            long bornAt = System.currentTimeMillis();
            try {
                SendResult result = send.send(message);
                if (result.getSendStatus() == SendStatus.SEND_OK) {
                    said(kind, message, result, 0, bornAt, tries, groups, info);
                    return result;
                }
                failed(kind, key, result.getSendStatus());
            } catch (Exception e) {
                failed(kind, key, why(e));
            }
            Thread.sleep(100);
        }
    }

    private static void said(String kind, Message message, SendResult result, int at, long bornAt, int tries, String groups, String info) {
        ledger.line("ACK", kind, message.getTopic(), message.getKeys(), Common.sha256(message.getBody()),
            result.getMessageQueue().getQueueId(), result.getQueueOffset() + at, bornAt, System.currentTimeMillis(), tries, groups, info);
    }

    private static void failed(String kind, String key, Object why) {
        ledger.line("TRY", kind, key, why);
    }

    private static String why(Throwable e) {
        return e.getClass().getSimpleName() + " " + String.valueOf(e.getMessage()).split("\n")[0];
    }

    private static void async(DefaultMQProducer producer, Semaphore room, int i) throws Exception {
        room.acquire();
        asyncTry(producer, room, i, 1);
    }

    private static void asyncTry(DefaultMQProducer producer, Semaphore room, int i, int tries) {
        Message message = EverythingPlan.message("async", EverythingPlan.NORMAL, "async-" + i, i);
        long bornAt = System.currentTimeMillis();
        Runnable again = () -> later.schedule(() -> asyncTry(producer, room, i, tries + 1), 100, TimeUnit.MILLISECONDS);
        try {
            producer.send(message, new SendCallback() {
                @Override
                public void onSuccess(SendResult result) {
                    if (result.getSendStatus() == SendStatus.SEND_OK) {
                        said("async", message, result, 0, bornAt, tries, "G-normal", "");
                        room.release();
                    } else {
                        failed("async", message.getKeys(), result.getSendStatus());
                        again.run();
                    }
                }

                @Override
                public void onException(Throwable e) {
                    failed("async", message.getKeys(), why(e));
                    again.run();
                }
            });
        } catch (Exception e) {
            failed("async", message.getKeys(), why(e));
            again.run();
        }
    }

    private static void oneway(DefaultMQProducer producer, int i) {
        Message message = EverythingPlan.message("oneway", EverythingPlan.NORMAL, "oneway-" + i, i);
        ledger.line("ONEWAY", message.getTopic(), message.getKeys(), Common.sha256(message.getBody()), "G-normal");
        try {
            producer.sendOneway(message);
        } catch (Exception e) {
            failed("oneway", message.getKeys(), why(e));
        }
    }

    private static void batch(DefaultMQProducer producer, int i) throws Exception {
        for (int tries = 1;; tries++) {
            List<Message> messages = new ArrayList<>();
            for (int at = i * BATCH; at < (i + 1) * BATCH; at++) {
                messages.add(EverythingPlan.message("batch", EverythingPlan.BATCH, "batch-" + at, at));
            }
            long bornAt = System.currentTimeMillis();
            try {
                SendResult result = producer.send(messages);
                if (result.getSendStatus() == SendStatus.SEND_OK) {
                    for (int at = 0; at < BATCH; at++) {
                        said("batch", messages.get(at), result, at, bornAt, tries, "G-batch", String.valueOf(i));
                    }
                    return;
                }
                failed("batch", "batch-" + i * BATCH, result.getSendStatus());
            } catch (Exception e) {
                failed("batch", "batch-" + i * BATCH, why(e));
            }
            Thread.sleep(100);
        }
    }

    private static void delayed(DefaultMQProducer producer, String[] delay, int i) throws Exception {
        one("delayed", EverythingPlan.DELAYED, "delayed-" + i, i, "G-delayed", delay[1], message -> {
            message.setDelayTimeLevel(Integer.parseInt(delay[0]));
            return producer.send(message);
        });
    }

    private static void transaction(TransactionMQProducer producer, int i) throws Exception {
        boolean commits = EverythingPlan.commits(i);
        one("transaction", EverythingPlan.TRANSACTION, "transaction-" + i, i, commits ? "G-transaction" : "",
            commits ? "commit" : "rollback", message -> producer.sendMessageInTransaction(message, i));
    }

    /** A half message whose answer was lost has no local transaction here: it is rolled back when it is asked for. */
    private static TransactionListener listener() {
        return new TransactionListener() {
            @Override
            public LocalTransactionState executeLocalTransaction(Message message, Object arg) {
                transactions.put(message.getTransactionId(), (Integer) arg);
                char decision = EverythingPlan.decision((Integer) arg);
                return decision == 'c' ? LocalTransactionState.COMMIT_MESSAGE
                    : decision == 'r' ? LocalTransactionState.ROLLBACK_MESSAGE : LocalTransactionState.UNKNOW;
            }

            @Override
            public LocalTransactionState checkLocalTransaction(MessageExt message) {
                Integer i = transactions.get(message.getTransactionId());
                int before = checks.merge(message.getTransactionId(), 1, Integer::sum) - 1;
                LocalTransactionState state = i == null ? LocalTransactionState.ROLLBACK_MESSAGE
                    : EverythingPlan.decision(i) == 'u' && before < EverythingPlan.unknownChecks(i) ? LocalTransactionState.UNKNOW
                    : EverythingPlan.commits(i) ? LocalTransactionState.COMMIT_MESSAGE : LocalTransactionState.ROLLBACK_MESSAGE;
                ledger.line("CHECK", message.getKeys(), state);
                return state;
            }
        };
    }

    /** To the topics that come and go. */
    private static void toMade(DefaultMQProducer producer, int i) throws Exception {
        for (String topic : forgotten) {
            made.remove(topic);
            forgotten.remove(topic);
            Common.say("FORGOT", topic);
            System.out.flush();
        }
        if (!made.isEmpty()) {
            String topic = made.get(i % made.size());
            one("made", topic, "made-" + i, i, "G-made", "", producer::send);
        }
    }

    /** 5.3.3 ends all but those to a chosen queue as timed out once the request is sent. */
    private static Message answered(DefaultMQProducer producer, Message question, int i) throws Exception {
        List<MessageQueue> queues = producer.fetchPublishMessageQueues(EverythingPlan.ASKED);
        CompletableFuture<Message> answer = new CompletableFuture<>();
        producer.request(question, queues.get(i % queues.size()), new RequestCallback() {
            @Override
            public void onSuccess(Message reply) {
                answer.complete(reply);
            }

            @Override
            public void onException(Throwable e) {
                answer.completeExceptionally(e);
            }
        }, 3000);
        return answer.get(20, TimeUnit.SECONDS);
    }

    private static void ask(DefaultMQProducer producer, int i, boolean isLast) {
        String key = (isLast ? "last-" : "asked-") + i;
        for (int left = isLast ? LAST_TRIES : 1; left > 0; left--) {
            try {
                Message reply = answered(producer, new Message(EverythingPlan.ASKED, "", key, key.getBytes()), i);
                ledger.line(isLast ? "LAST" : "REPLY", key, new String(reply.getBody()).equals("reply to " + key) ? "right" : "wrong");
                return;
            } catch (Exception e) {
                ledger.line(isLast && left == 1 ? "LAST" : "UNANSWERED", key, why(e));
            }
        }
    }
}
