import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.commons.cli.Options;
import org.apache.commons.cli.PosixParser;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragely;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.tools.command.MQAdminStartup;
import org.apache.rocketmq.tools.command.SubCommand;

/**
 * Runs mqadmin's sub-commands in one JVM that holds a producer and a consumer of its own, so that there is something to see.
 *
 * Options: namesrv, topic, group, commands (a file: one command a line, its arguments parted by tabs; "@ms" before it is its own
 *          limit; a line "--" waits for all before it), threads, limit (ms for one command).
 *          {msgId}, {offsetId}, {clientId} and {now} in an argument stand for the first message that was sent, the consumer
 *          and the time.
 * Prints:  NAME command (every one that this version has) | RAN n milliseconds how | OUT n line
 */
public final class AdminAll {
    private static final int CONNECTS_MAX = 3;
    private static final PrintStream REAL = System.out;
    private static final Map<String, Class<?>> COMMANDS = new TreeMap<>();
    private static final InheritableThreadLocal<ByteArrayOutputStream> OUTPUT = new InheritableThreadLocal<>();

    public static void main(String[] args) throws Exception {
        names();
        String namesrv = Common.option(args, "namesrv", "127.0.0.1:9876");
        String topic = Common.option(args, "topic", "AdminTopic");
        String group = Common.option(args, "group", "AdminGroup");
        int threads = Common.number(args, "threads", 4);
        int limit = Common.number(args, "limit", 20_000);
        List<String> lines = Files.readAllLines(Paths.get(Common.option(args, "commands", "")), StandardCharsets.UTF_8);
        DefaultMQProducer producer = new DefaultMQProducer(group + "Producer", null, true, null);
        producer.setNamesrvAddr(namesrv);
        producer.setInstanceName("admin-producer");
        producer.start();
        SendResult first = null;
        for (int i = 0; i < 12; i++) {
            SendResult sent = producer.send(Common.message(topic, 1, i, 200));
            first = first == null ? sent : first;
        }
        CountDownLatch consumed = new CountDownLatch(12);
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group, null, new AllocateMessageQueueAveragely(), true, null);
        consumer.setNamesrvAddr(namesrv);
        consumer.setInstanceName("admin-consumer");
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setPersistConsumerOffsetInterval(500);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            messages.forEach(message -> consumed.countDown());
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        consumed.await(30, TimeUnit.SECONDS);
        // Listeners return, traces are sent; offsets would go to the broker only after ten seconds.
        Thread.sleep(1_500);
        consumer.getDefaultMQPushConsumerImpl().persistConsumerOffset();
        Thread.sleep(500);
        String clientId = consumer.getDefaultMQPushConsumerImpl().getmQClientFactory().getClientId();
        System.setProperty("rocketmq.namesrv.addr", namesrv);
        System.setOut(new PrintStream(new Captured(), true));
        System.setErr(new PrintStream(new Captured(), true));
        ExecutorService pool = Executors.newFixedThreadPool(threads, AdminAll::daemon);
        List<Future<?>> phase = new ArrayList<>();
        for (int n = 0; n < lines.size(); n++) {
            if (lines.get(n).equals("--")) {
                for (Future<?> one : phase) {
                    one.get();
                }
                phase.clear();
                continue;
            }
            int number = n;
            String[] command = lines.get(n).split("\t");
            for (int i = 0; i < command.length; i++) {
                command[i] = command[i].replace("{msgId}", first.getMsgId()).replace("{offsetId}", first.getOffsetMsgId())
                    .replace("{clientId}", clientId).replace("{now}", String.valueOf(System.currentTimeMillis()));
            }
            boolean hasLimit = command[0].startsWith("@");
            int own = hasLimit ? Integer.parseInt(command[0].substring(1)) : limit;
            String[] wanted = hasLimit ? Arrays.copyOfRange(command, 1, command.length) : command;
            phase.add(pool.submit(() -> run(number, wanted, own)));
        }
        for (Future<?> one : phase) {
            one.get();
        }
        REAL.flush();
        Runtime.getRuntime().halt(0);
    }

    /** mqadmin's own main() is not made for several commands at a time: its list grows with each. */
    private static void names() throws Exception {
        MQAdminStartup.initCommand();
        for (String name : new String[] {"subCommandList", "SUB_COMMANDS"}) {
            try {
                Field field = MQAdminStartup.class.getDeclaredField(name);
                field.setAccessible(true);
                for (Object command : (Collection<?>) field.get(null)) {
                    COMMANDS.put(((SubCommand) command).commandName(), command.getClass());
                }
            } catch (NoSuchFieldException e) {
                // The other version's name of it.
            }
        }
        COMMANDS.keySet().forEach(name -> Common.say("NAME", name));
    }

    private static void execute(String[] command) throws Exception {
        Class<?> type = COMMANDS.get(command[0]);
        if (type == null) {
            throw new IllegalArgumentException("no command " + command[0]);
        }
        SubCommand sub = (SubCommand) type.getDeclaredConstructor().newInstance();
        Options options = sub.buildCommandlineOptions(new Options().addOption("n", "namesrvAddr", true, "NameServers"));
        sub.execute(new PosixParser().parse(options, Arrays.copyOfRange(command, 1, command.length)), options, null);
    }

    private static Thread daemon(Runnable work) {
        Thread thread = new Thread(work);
        thread.setDaemon(true);
        return thread;
    }

    /** A thread of its own: some commands run until they are stopped. */
    private static void run(int number, String[] command, int limit) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        long begin = System.currentTimeMillis();
        String how = "ended";
        ExecutorService one = Executors.newSingleThreadExecutor(work -> {
            OUTPUT.set(bytes);
            Thread thread = daemon(work);
            OUTPUT.remove();
            return thread;
        });
        try {
            OUTPUT.set(bytes);
            Future<?> ran = one.submit(() -> {
                OUTPUT.set(bytes);
                // A command's client is named by the millisecond: two of one millisecond are one too many. And it waits three
                // seconds for a connection, which a dozen clients at a time on a busy machine may need.
                int connects = 0;
                for (boolean isDone = false; !isDone;) {
                    isDone = true;
                    bytes.reset();
                    try {
                        execute(command);
                    } catch (Exception e) {
                        for (Throwable why = e; why != null; why = why.getCause()) {
                            String message = String.valueOf(why.getMessage());
                            isDone &= !message.contains("has created already");
                            if (message.startsWith("connect to ") && message.endsWith(" failed") && connects < CONNECTS_MAX) {
                                connects++;
                                isDone = false;
                            }
                            System.out.println(why);
                        }
                    }
                }
            });
            OUTPUT.remove();
            ran.get(limit, TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            how = "stopped";
        } catch (Exception e) {
            how = "threw " + e.getCause();
        }
        one.shutdownNow();
        synchronized (REAL) {
            REAL.println("RAN\t" + number + "\t" + (System.currentTimeMillis() - begin) + "\t" + how.split("\n")[0]);
            for (String line : new String(bytes.toByteArray(), StandardCharsets.UTF_8).split("\n")) {
                REAL.println("OUT\t" + number + "\t" + line);
            }
            REAL.flush();
        }
    }

    /** To the command whose thread, or whose thread's child, writes. */
    private static final class Captured extends OutputStream {
        @Override
        public void write(int b) {
            ByteArrayOutputStream to = OUTPUT.get();
            if (to != null) {
                to.write(b);
            }
        }

        @Override
        public void write(byte[] bytes, int from, int length) {
            ByteArrayOutputStream to = OUTPUT.get();
            if (to != null) {
                to.write(bytes, from, length);
            }
        }
    }
}
