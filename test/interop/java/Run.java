import java.lang.reflect.InvocationTargetException;
import java.util.Map;

/**
 * Starts a program of this folder (the first argument) with the rest of the arguments. Its consumers look every second whether their
 * queues are still theirs (by default every 20 s), so that what they missed on a busy machine does not cost the test.
 *
 * A client of 5.x that is shut down waits for the end of its NettyEventExecutor, which looks every three seconds whether it shall
 * end. Here it looks at once: what a shutdown does stays the same, only sooner.
 */
public final class Run {
    private static final int LOOK_MS = 25;

    public static void main(String[] args) throws Throwable {
        System.setProperty("rocketmq.client.rebalance.waitInterval", "1000");
        Thread hurry = new Thread(Run::hurry, "hurry");
        hurry.setDaemon(true);
        hurry.start();
        try {
            Class.forName(args[0]).getMethod("main", String[].class)
                .invoke(null, (Object) java.util.Arrays.copyOfRange(args, 1, args.length));
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }

    private static void hurry() {
        for (;;) {
            try {
                Thread.sleep(LOOK_MS);
            } catch (InterruptedException e) {
                return;
            }
            Map<Thread, StackTraceElement[]> stacks = Thread.getAllStackTraces();
            if (stacks.values().stream().anyMatch(Run::waitsForAnEnd)) {
                stacks.keySet().stream().filter(thread -> thread.getName().contains("NettyEventExecutor")).forEach(Thread::interrupt);
            }
        }
    }

    /** In NettyRemotingClient.shutdown, in the join of ServiceThread.shutdown. */
    private static boolean waitsForAnEnd(StackTraceElement[] stack) {
        boolean isJoin = false;
        for (StackTraceElement frame : stack) {
            if (frame.getMethodName().equals("shutdown") && frame.getClassName().endsWith(".NettyRemotingClient")) {
                return isJoin;
            }
            isJoin |= frame.getMethodName().equals("join");
        }
        return false;
    }
}
