import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;

/**
 * Sends as fast as it can with so many in flight: for bench/client/send.mjs.
 *
 * Options: namesrv, topic, size, flights (by commas), warm (ms before each is counted), seconds, mode (async: one sender and a
 *          semaphore; sync: as many threads).
 * Prints:  RATE flight messages failed milliseconds cpuMilliseconds
 */
public final class SendLoad {
    private static final AtomicLong ok = new AtomicLong();
    private static final AtomicLong failed = new AtomicLong();

    public static void main(String[] args) throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer("SendLoad");
        producer.setNamesrvAddr(Common.option(args, "namesrv", "127.0.0.1:9876"));
        producer.setSendMsgTimeout(20_000);
        producer.start();
        String topic = Common.option(args, "topic", "Load");
        byte[] body = new byte[Common.number(args, "size", 1024)];
        java.util.Arrays.fill(body, (byte) 'x');
        int warm = Common.number(args, "warm", 3000);
        int seconds = Common.number(args, "seconds", 3);
        boolean sync = Common.option(args, "mode", "async").equals("sync");
        for (String flight : Common.option(args, "flights", "1,64,256").split(",")) {
            int inFlight = Integer.parseInt(flight);
            boolean[] stop = new boolean[1];
            Thread[] threads = new Thread[sync || inFlight == 1 ? inFlight : 1];
            for (int i = 0; i < threads.length; i++) {
                threads[i] = new Thread(() -> send(producer, topic, body, sync || inFlight == 1 ? 1 : inFlight, stop));
                threads[i].start();
            }
            Thread.sleep(warm);
            long sent = ok.get();
            long lost = failed.get();
            long cpu = cpuNanos();
            long began = System.nanoTime();
            Thread.sleep(seconds * 1000L);
            sent = ok.get() - sent;
            long ms = (System.nanoTime() - began) / 1_000_000;
            Common.say("RATE", flight, sent, failed.get() - lost, ms, (cpuNanos() - cpu) / 1_000_000);
            synchronized (stop) {
                stop[0] = true;
            }
            for (Thread thread : threads) {
                thread.join();
            }
        }
        producer.shutdown();
        Common.finish(0);
    }

    /** Of the whole process, as for the others: compilers and collectors with it. */
    private static long cpuNanos() {
        return ((com.sun.management.OperatingSystemMXBean) java.lang.management.ManagementFactory.getOperatingSystemMXBean())
            .getProcessCpuTime();
    }

    private static boolean stopped(boolean[] stop) {
        synchronized (stop) {
            return stop[0];
        }
    }

    private static void send(DefaultMQProducer producer, String topic, byte[] body, int inFlight, boolean[] stop) {
        Semaphore room = new Semaphore(inFlight);
        try {
            while (!stopped(stop)) {
                if (inFlight == 1) {
                    try {
                        producer.send(new Message(topic, body));
                        ok.incrementAndGet();
                    } catch (Exception e) {
                        failed.incrementAndGet();
                    }
                    continue;
                }
                room.acquire();
                producer.send(new Message(topic, body), new SendCallback() {
                    @Override
                    public void onSuccess(SendResult result) {
                        ok.incrementAndGet();
                        room.release();
                    }

                    @Override
                    public void onException(Throwable e) {
                        failed.incrementAndGet();
                        room.release();
                    }
                });
            }
            room.acquire(inFlight);
        } catch (Exception e) {
            e.printStackTrace();
        }
    }
}
