import com.alibaba.fastjson.JSON;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.AllocateMessageQueueStrategy;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMachineRoomNearby;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragely;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragelyByCircle;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueByConfig;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueByMachineRoom;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueConsistentHash;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * What the strategy classes of the client allocate for random groups: one case a line, as JSON.
 *
 * Options: count, seed.
 * Prints:  CASE {"strategy":name,"inner"?:name,"rooms"?:[names],"virtualNodes"?:n,"topic":name,"clientId":id,"members":[ids],
 *          "queues":[[broker, queueId]],"mine":[indexes into queues] or "error":class}
 *
 * Rooms of MACHINE_ROOM_NEARBY: of a broker the text before the first '@', of a client the text before the first '.'.
 */
public final class Allocate {
    private static final String[] ROOMS = {"north", "south", "east"};
    private static final String[] STRATEGIES = {
        "AVG", "AVG_BY_CIRCLE", "CONSISTENT_HASH", "MACHINE_ROOM", "MACHINE_ROOM_NEARBY", "CONFIG"};
    private static final String[] INNER = {"AVG", "AVG_BY_CIRCLE", "CONSISTENT_HASH"};

    public static void main(String[] args) throws Exception {
        int count = Common.number(args, "count", 100);
        Random random = new Random(Common.number(args, "seed", 1));
        for (int i = 0; i < count; i++) {
            Common.say("CASE", JSON.toJSONString(oneCase(STRATEGIES[i % STRATEGIES.length], random)));
        }
        Common.finish(0);
    }

    private static Map<String, Object> oneCase(String name, Random random) {
        Map<String, Object> out = new LinkedHashMap<>();
        String topic = random.nextInt(4) == 0 ? "%RETRY%group-" + random.nextInt(100) : "topic_" + random.nextInt(1000);
        List<MessageQueue> queues = queues(topic, random);
        List<String> members = members(random);
        // Now and then somebody the broker does not list (yet).
        String clientId = random.nextInt(20) == 0 ? "nobody" : members.get(random.nextInt(members.size()));
        out.put("strategy", name);
        AllocateMessageQueueStrategy strategy = strategy(name, out, queues, random);
        out.put("topic", topic);
        out.put("clientId", clientId);
        out.put("members", members);
        out.put("queues", queues.stream().map(one -> Arrays.asList(one.getBrokerName(), one.getQueueId())).collect(Collectors.toList()));
        try {
            List<MessageQueue> mine = strategy.allocate("group", clientId, queues, members);
            out.put("mine", mine.stream().map(queues::indexOf).collect(Collectors.toList()));
        } catch (RuntimeException e) {
            out.put("error", e.getClass().getSimpleName());
        }
        return out;
    }

    private static AllocateMessageQueueStrategy strategy(String name, Map<String, Object> out, List<MessageQueue> queues, Random random) {
        switch (name) {
            case "AVG":
                return new AllocateMessageQueueAveragely();
            case "AVG_BY_CIRCLE":
                return new AllocateMessageQueueAveragelyByCircle();
            case "CONSISTENT_HASH":
                int nodes = random.nextInt(3) == 0 ? 1 + random.nextInt(40) : 10;
                out.put("virtualNodes", nodes);
                return new AllocateMessageQueueConsistentHash(nodes);
            case "MACHINE_ROOM":
                List<String> rooms = new ArrayList<>();
                for (String room : ROOMS) {
                    if (random.nextBoolean()) {
                        rooms.add(room);
                    }
                }
                out.put("rooms", rooms);
                AllocateMessageQueueByMachineRoom byRoom = new AllocateMessageQueueByMachineRoom();
                byRoom.setConsumeridcs(new HashSet<>(rooms));
                return byRoom;
            case "MACHINE_ROOM_NEARBY":
                String inner = INNER[random.nextInt(INNER.length)];
                out.put("inner", inner);
                return new AllocateMachineRoomNearby(strategy(inner, out, queues, random), new AllocateMachineRoomNearby.MachineRoomResolver() {
                    public String brokerDeployIn(MessageQueue queue) {
                        return queue.getBrokerName().split("@", -1)[0];
                    }

                    public String consumerDeployIn(String clientID) {
                        return clientID.split("\\.", -1)[0];
                    }
                });
            default:
                AllocateMessageQueueByConfig config = new AllocateMessageQueueByConfig();
                List<MessageQueue> some = new ArrayList<>(queues);
                Collections.shuffle(some, random);
                some = some.subList(0, random.nextInt(some.size() + 1));
                config.setMessageQueueList(new ArrayList<>(some));
                out.put("config", some.stream().map(queues::indexOf).collect(Collectors.toList()));
                return config;
        }
    }

    private static List<MessageQueue> queues(String topic, Random random) {
        List<MessageQueue> queues = new ArrayList<>();
        int brokers = 1 + random.nextInt(4);
        for (int broker = 0; broker < brokers; broker++) {
            String room = ROOMS[random.nextInt(ROOMS.length)];
            String name;
            switch (random.nextInt(8)) {
                case 0:
                    name = "broker-" + broker;
                    break;
                case 1:
                    name = room + "@b" + broker + "@";
                    break;
                case 2:
                    name = room + "@b@" + broker;
                    break;
                default:
                    name = room + "@b" + broker;
            }
            int of = 1 + random.nextInt(random.nextInt(4) == 0 ? 40 : 8);
            for (int queueId = 0; queueId < of; queueId++) {
                queues.add(new MessageQueue(topic, name, queueId));
            }
        }
        Collections.sort(queues);
        return queues;
    }

    private static List<String> members(Random random) {
        List<String> members = new ArrayList<>();
        int count = 1 + random.nextInt(random.nextInt(4) == 0 ? 60 : 6);
        for (int i = 0; i < count; i++) {
            String room = random.nextInt(12) == 0 ? "west" : ROOMS[random.nextInt(ROOMS.length)];
            members.add(room + ".10.0." + random.nextInt(256) + "." + random.nextInt(256) + "@" + random.nextInt(100_000) + "#" + random.nextInt());
        }
        // A client that is connected twice is listed twice.
        if (random.nextInt(10) == 0) {
            members.add(members.get(0));
        }
        Collections.sort(members);
        return members;
    }
}
