import org.apache.rocketmq.tools.command.MQAdminStartup;

/**
 * Runs mqadmin's sub-commands in one JVM, one after the other (a JVM takes a second to start).
 *
 * Arguments: a command and its arguments, then "--", then the next one.
 * Prints:    what they print, each between "=== BEGIN n" and "=== END n"
 */
public final class Admin {
    public static void main(String[] args) {
        int from = 0;
        int number = 0;
        for (int at = 0; at <= args.length; at++) {
            if (at < args.length && !args[at].equals("--")) {
                continue;
            }
            String[] command = java.util.Arrays.copyOfRange(args, from, at);
            from = at + 1;
            System.out.printf("=== BEGIN %d%n", number);
            MQAdminStartup.main0(command, null);
            System.out.printf("%n=== END %d%n", number++);
            System.out.flush();
        }
        System.exit(0);
    }
}
