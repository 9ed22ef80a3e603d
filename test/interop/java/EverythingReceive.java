import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * The consumers of everything that EverythingSend sends. Every `churn` ms a group gets a member more or loses one, so that
 * all of them rebalance all the time.
 *
 * Options:  namesrv, ledger (file), commands (file), churn (ms), seed.
 * Commands: use TOPIC, forget TOPIC (of the topics that come and go), calm (no more coming and going), end.
 * Ledger:   GOT group topic key hash queueId queueOffset reconsumeTimes storedAt seenAt OK/LATER member |
 *           MEMBERS group count | REPLIED key status/why
 */
public final class EverythingReceive {
    private static final int MEMBERS_MAX = 3;
    private static final String[] GROUPS = {"normal", "batch", "ordered", "delayed", "transaction", "retry", "tag", "sql", "resized",
        "made", "asked"};

    private static EverythingPlan.Ledger ledger;
    private static String namesrv;
    private static int count;
    private static DefaultMQProducer replies;
    private static final Set<String> made = new LinkedHashSet<>();
    private static final Map<String, Deque<DefaultMQPushConsumer>> members = new LinkedHashMap<>();

    public static void main(String[] args) throws Exception {
        Thread.currentThread().setUncaughtExceptionHandler((thread, e) -> {
            e.printStackTrace();
            Runtime.getRuntime().halt(4);
        });
        // Rebalances and locks in seconds, so that much of it happens.
        System.setProperty("rocketmq.client.rebalance.waitInterval", "1000");
        System.setProperty("rocketmq.client.rebalance.lockInterval", "1000");
        namesrv = Common.option(args, "namesrv", "");
        ledger = new EverythingPlan.Ledger(Common.option(args, "ledger", "seen"));
        int churn = Common.number(args, "churn", 3000);
        Random random = new Random(Common.number(args, "seed", 1));
        EverythingPlan.Commands commands = new EverythingPlan.Commands(Common.option(args, "commands", "commands"));
        replies = new DefaultMQProducer("EvReplies");
        replies.setNamesrvAddr(namesrv);
        replies.setInstanceName("replies");
        replies.setPollNameServerInterval(1000);
        replies.start();
        for (String group : GROUPS) {
            members.put(group, new ArrayDeque<>());
            join(group);
        }
        for (int member = 0; member < EverythingPlan.BROADCAST_MEMBERS; member++) {
            members.put("broadcast/" + member, new ArrayDeque<>());
            join("broadcast/" + member);
        }
        Common.say("READY");
        System.out.flush();
        boolean isCalm = false;
        long next = System.currentTimeMillis() + churn;
        for (boolean isRunning = true; isRunning; Thread.sleep(50)) {
            for (String[] command : commands.next()) {
                switch (command[0]) {
                    case "use": use(command[1]); break;
                    case "forget": forget(command[1]); break;
                    case "calm": isCalm = true; break;
                    case "end": isRunning = false; break;
                    default: break;
                }
            }
            if (!isCalm && System.currentTimeMillis() > next) {
                next = System.currentTimeMillis() + churn;
                change(GROUPS[random.nextInt(GROUPS.length)], random.nextBoolean());
            }
        }
        members.values().forEach(all -> all.forEach(DefaultMQPushConsumer::shutdown));
        replies.shutdown();
        Common.finish(0);
    }

    private static void change(String group, boolean isMore) {
        Deque<DefaultMQPushConsumer> all = members.get(group);
        if (all.size() < 2 || isMore && all.size() < MEMBERS_MAX) {
            join(group);
        } else {
            all.removeFirst().shutdown();
        }
        ledger.line("MEMBERS", group, all.size());
    }

    private static void use(String topic) throws Exception {
        made.add(topic);
        for (DefaultMQPushConsumer consumer : members.get("made")) {
            consumer.subscribe(topic, "*");
        }
    }

    private static void forget(String topic) {
        made.remove(topic);
        members.get("made").forEach(consumer -> consumer.unsubscribe(topic));
    }

    /** A client of 5.x does not start while its NameServer is down: a service would be started again. */
    private static void join(String group) {
        for (int tries = 0; tries < 50; tries++) {
            DefaultMQPushConsumer consumer = null;
            try {
                consumer = consumer(group);
                consumer.start();
                members.get(group).addLast(consumer);
                return;
            } catch (Exception e) {
                ledger.line("NOTJOINED", group, e.getMessage());
                if (consumer != null) {
                    consumer.shutdown();
                }
                try {
                    Thread.sleep(500);
                } catch (InterruptedException interrupted) {
                    return;
                }
            }
        }
        throw new IllegalStateException("no member could join " + group);
    }

    private static DefaultMQPushConsumer consumer(String name) throws Exception {
        int member = count++;
        String group = name.startsWith("broadcast") ? "broadcast" : name;
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer("G-" + group);
        consumer.setNamesrvAddr(namesrv);
        consumer.setInstanceName("member-" + member);
        consumer.setPollNameServerInterval(1000);
        consumer.setHeartbeatBrokerInterval(1000);
        consumer.setPersistConsumerOffsetInterval(1000);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setConsumeThreadMin(2);
        consumer.setConsumeThreadMax(2);
        consumer.setAwaitTerminationMillisWhenShutdown(1000);
        consumer.setMaxReconsumeTimes(EverythingPlan.RECONSUME_MAX);
        subscribe(consumer, group);
        if (group.equals("ordered")) {
            consumer.setMaxReconsumeTimes(-1);
            consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
                got(name, member, messages);
                return ConsumeOrderlyStatus.SUCCESS;
            });
        } else {
            consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) ->
                got(name, member, messages) ? ConsumeConcurrentlyStatus.CONSUME_SUCCESS : ConsumeConcurrentlyStatus.RECONSUME_LATER);
        }
        return consumer;
    }

    private static void subscribe(DefaultMQPushConsumer consumer, String group) throws Exception {
        switch (group) {
            case "normal": consumer.subscribe(EverythingPlan.NORMAL, "*"); break;
            case "batch": consumer.subscribe(EverythingPlan.BATCH, "*"); break;
            case "ordered": consumer.subscribe(EverythingPlan.ORDERED, "*"); break;
            case "delayed": consumer.subscribe(EverythingPlan.DELAYED, "*"); break;
            case "transaction": consumer.subscribe(EverythingPlan.TRANSACTION, "*"); break;
            case "retry": consumer.subscribe(EverythingPlan.RETRY, "*"); break;
            case "tag": consumer.subscribe(EverythingPlan.FILTER, EverythingPlan.TAGS); break;
            case "sql": consumer.subscribe(EverythingPlan.FILTER, MessageSelector.bySql(EverythingPlan.SQL)); break;
            case "resized": consumer.subscribe(EverythingPlan.RESIZED, "*"); break;
            case "asked": consumer.subscribe(EverythingPlan.ASKED, "*"); break;
            case "broadcast":
                broadcasting(consumer);
                consumer.subscribe(EverythingPlan.BROADCAST, "*");
                break;
            default:
                for (String topic : new ArrayList<>(made)) {
                    consumer.subscribe(topic, "*");
                }
        }
    }

    /** The line comes before the broker hears of it: what it says is consumed has been seen. */
    private static boolean got(String name, int member, List<MessageExt> messages) {
        boolean areAllDone = true;
        for (MessageExt message : messages) {
            boolean isDone = !name.equals("retry")
                || message.getReconsumeTimes() >= EverythingPlan.fails(EverythingPlan.numberOf(message.getKeys()));
            areAllDone &= isDone;
            ledger.line("GOT", "G-" + name, message.getTopic(), message.getKeys(), Common.sha256(message.getBody()), message.getQueueId(),
                message.getQueueOffset(), message.getReconsumeTimes(), message.getStoreTimestamp(), System.currentTimeMillis(),
                isDone ? "OK" : "LATER", member);
            if (name.equals("asked")) {
                reply(message);
            }
        }
        return areAllDone;
    }

    private static void reply(MessageExt message) {
        try {
            byte[] body = ("reply to " + message.getKeys()).getBytes();
            ledger.line("REPLIED", message.getKeys(), replies.send(MessageUtil.createReplyMessage(message, body), 2000).getSendStatus());
        } catch (Exception e) {
            // Whoever asked has gone, or the broker has: the question is not asked again for that.
            ledger.line("REPLIED", message.getKeys(), String.valueOf(e.getMessage()).split("\n")[0]);
        }
    }

    /** The enum is in another package in each version. */
    @SuppressWarnings({"unchecked", "rawtypes"})
    private static void broadcasting(DefaultMQPushConsumer consumer) throws Exception {
        for (java.lang.reflect.Method method : consumer.getClass().getMethods()) {
            if (method.getName().equals("setMessageModel")) {
                method.invoke(consumer, Enum.valueOf((Class) method.getParameterTypes()[0], "BROADCASTING"));
            }
        }
    }
}
