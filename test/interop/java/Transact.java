import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.client.producer.TransactionSendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * Sends messages of a seed in transactions. What message i does is letter i of `plan` (cyclic): c commit, r rollback,
 * u unknown; what a check is told is letter i of `checks`, from check number `after` on (unknown before). A transaction
 * that this program did not send, or whose local part never ran, is answered with `orphans` (one letter) when checked. A
 * send that fails is tried again with the same key until it is stored, so the broker may die in between.
 *
 * Options: namesrv, topic, group, count, seed, max, threads, plan, checks, orphans, after, immunity (seconds),
 *          trace (true/false), idle (ends so many ms after the last check or send), asks (or when so many transactions have been
 *          asked about), waits (how many transactions are answered finally before it ends).
 * Prints:  HALF key hash decision queueId queueOffset offsetMsgId msgId | TRY key why | DECIDED key decision |
 *          CHECK key hash answer checkTimes msgId offsetMsgId queueOffset topic queueId | SENT count | DONE
 */
public final class Transact {
    private static final Map<String, LocalTransactionState> decisions = new ConcurrentHashMap<>();
    private static final Map<String, Integer> checked = new ConcurrentHashMap<>();
    /** Ids of what was answered finally; on a busy machine one may be asked about again before its answer has arrived. */
    private static final Set<String> answered = ConcurrentHashMap.newKeySet();
    private static volatile long last = System.currentTimeMillis();

    public static void main(String[] args) throws Exception {
        String topic = Common.option(args, "topic", "Transactions");
        String plan = Common.option(args, "plan", "c");
        String checks = Common.option(args, "checks", "u");
        String orphans = Common.option(args, "orphans", "r");
        String immunity = Common.option(args, "immunity", "");
        int after = Common.number(args, "after", 1);
        int count = Common.number(args, "count", 10);
        long seed = Common.number(args, "seed", 1);
        int max = Common.number(args, "max", 1024);
        int idle = Common.number(args, "idle", 0);
        int asks = Common.number(args, "asks", Integer.MAX_VALUE);
        int waits = Common.number(args, "waits", 0);
        TransactionMQProducer producer = Boolean.parseBoolean(Common.option(args, "trace", "false"))
            ? traced(Common.option(args, "group", "TransactProducer"))
            : new TransactionMQProducer(Common.option(args, "group", "TransactProducer"));
        producer.setNamesrvAddr(Common.option(args, "namesrv", "127.0.0.1:9876"));
        producer.setInstanceName("transact-" + System.nanoTime());
        producer.setDefaultTopicQueueNums(4);
        producer.setRetryTimesWhenSendFailed(0);
        producer.setHeartbeatBrokerInterval(1000);
        producer.setPollNameServerInterval(1000);
        producer.setTransactionListener(new TransactionListener() {
            @Override
            public LocalTransactionState executeLocalTransaction(Message message, Object arg) {
                LocalTransactionState state = state(plan, (Integer) arg);
                decisions.put(message.getTransactionId(), state);
                Common.say("DECIDED", message.getKeys(), state);
                return state;
            }

            @Override
            public LocalTransactionState checkLocalTransaction(MessageExt message) {
                last = System.currentTimeMillis();
                LocalTransactionState decision = decisions.get(message.getTransactionId());
                int times = checked.merge(message.getTransactionId(), 1, Integer::sum);
                LocalTransactionState state = decision == null ? state(orphans, 0) : decision;
                if (decision == LocalTransactionState.UNKNOW && times >= after) {
                    state = state(checks, Integer.parseInt(message.getKeys().split("-")[1]));
                }
                Common.say("CHECK", message.getKeys(), Common.sha256(message.getBody()), state,
                    message.getUserProperty("TRANSACTION_CHECK_TIMES"), message.getTransactionId(), message.getMsgId(), message.getQueueOffset(),
                    message.getTopic(), message.getQueueId());
                if (state != LocalTransactionState.UNKNOW) {
                    answered.add(message.getTransactionId());
                }
                return state;
            }
        });
        producer.start();
        AtomicInteger next = new AtomicInteger();
        List<Thread> workers = new ArrayList<>();
        for (int t = 0; t < Common.number(args, "threads", 1); t++) {
            Thread worker = new Thread(() -> {
                for (int i = next.getAndIncrement(); i < count; i = next.getAndIncrement()) {
                    one(producer, topic, seed, i, max, immunity);
                }
            });
            worker.start();
            workers.add(worker);
        }
        for (Thread worker : workers) {
            worker.join();
        }
        Common.say("SENT", count);
        System.out.flush();
        last = System.currentTimeMillis();
        while (System.currentTimeMillis() - last < idle && checked.size() < asks && (waits == 0 || answered.size() < waits)) {
            Thread.sleep(20);
        }
        // Answers to checks leave one-way.
        Thread.sleep(300);
        producer.shutdown();
        Common.say("DONE", count);
        Common.finish(0);
    }

    private static void one(TransactionMQProducer producer, String topic, long seed, int i, int max, String immunity) {
        for (;;) {
            Message message = Common.message(topic, seed, i, max);
            if (!immunity.isEmpty()) {
                message.putUserProperty("CHECK_IMMUNITY_TIME_IN_SECONDS", immunity);
            }
            String hash = Common.sha256(message.getBody());
            try {
                TransactionSendResult result = producer.sendMessageInTransaction(message, i);
                if (result.getSendStatus() == SendStatus.SEND_OK) {
                    Common.say("HALF", message.getKeys(), hash, result.getLocalTransactionState(),
                        result.getMessageQueue().getQueueId(), result.getQueueOffset(), result.getOffsetMsgId(), result.getMsgId());
                    return;
                }
                Common.say("TRY", message.getKeys(), result.getSendStatus());
            } catch (Exception e) {
                Common.say("TRY", message.getKeys(), e.getClass().getSimpleName() + " " + String.valueOf(e.getMessage()).split("\n")[0]);
                try {
                    Thread.sleep(100);
                } catch (InterruptedException interrupted) {
                    return;
                }
            }
        }
    }

    private static LocalTransactionState state(String letters, int i) {
        char letter = letters.charAt(i % letters.length());
        return letter == 'c' ? LocalTransactionState.COMMIT_MESSAGE
            : letter == 'r' ? LocalTransactionState.ROLLBACK_MESSAGE : LocalTransactionState.UNKNOW;
    }

    /** 4.9 and 5.3 have different constructors for it. */
    private static TransactionMQProducer traced(String group) throws ReflectiveOperationException {
        try {
            return TransactionMQProducer.class
                .getConstructor(String.class, String.class, org.apache.rocketmq.remoting.RPCHook.class, boolean.class, String.class)
                .newInstance(null, group, null, true, null);
        } catch (NoSuchMethodException e) {
            return TransactionMQProducer.class
                .getConstructor(String.class, org.apache.rocketmq.remoting.RPCHook.class, boolean.class, String.class)
                .newInstance(group, null, true, null);
        }
    }
}
