import io.openmessaging.storage.dledger.DLedgerConfig;
import io.openmessaging.storage.dledger.DLedgerServer;

/** One member of a DLedger group, all else default: group self peers folder dataFileSize indexFileSize. Prints "ready", runs until it is killed. */
public final class DLedgerMember {
    public static void main(String[] args) throws Exception {
        DLedgerConfig config = new DLedgerConfig();
        config.setGroup(args[0]);
        config.setSelfId(args[1]);
        config.setPeers(args[2]);
        config.setStoreBaseDir(args[3]);
        config.setMappedFileSizeForEntryData(Integer.parseInt(args[4]));
        config.setMappedFileSizeForEntryIndex(Integer.parseInt(args[5]));
        DLedgerServer server = new DLedgerServer(config);
        server.startup();
        System.out.println("ready");
        Thread.currentThread().join();
    }
}
