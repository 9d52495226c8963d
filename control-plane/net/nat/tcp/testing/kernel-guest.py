# A guest whose TCP is the kernel's: a TUN device in a network namespace of its own. Its packets, each with a virtio_net_hdr,
# go over standard output and come over standard input behind a length; commands come as lines of JSON on descriptor 3,
# answers leave on descriptor 4. Run as root under `unshare -n`.
import fcntl, hashlib, json, os, socket, struct, subprocess, sys, threading, time

TUNSETIFF, TUNSETOFFLOAD, TUNSETVNETHDRSZ = 0x400454CA, 0x400454D0, 0x400454D8
IFF_TUN, IFF_NO_PI, IFF_VNET_HDR = 1, 0x1000, 0x4000
TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6 = 1, 2, 4
SO_LINGER_NOW = struct.pack("ii", 1, 0)

options = json.loads(sys.argv[1])
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH", b"guest", IFF_TUN | IFF_NO_PI | IFF_VNET_HDR))
fcntl.ioctl(tun, TUNSETVNETHDRSZ, struct.pack("i", 10))
fcntl.ioctl(tun, TUNSETOFFLOAD, TUN_F_CSUM | (TUN_F_TSO4 | TUN_F_TSO6 if options.get("large", True) else 0))
for command in [
    "ip link set lo up",
    f"ip link set guest mtu {options.get('mtu', 1500)} up",
    "ip addr add 10.0.2.15/24 dev guest",
    "ip route add default via 10.0.2.2",
    "ip -6 addr add fec0::15/64 dev guest nodad",
    "ip -6 route add default dev guest",
]:
    subprocess.run(command.split(), check=True)
for name, value in options.get("sysctl", {}).items():
    with open(f"/proc/sys/net/ipv4/{name}", "w") as file:
        file.write(str(value))


def exactly(fd, count):
    data = b""
    while len(data) < count:
        part = os.read(fd, count - len(data))
        if not part:
            os._exit(0)
        data += part
    return data


def to_guest():
    while True:
        (count,) = struct.unpack("<I", exactly(0, 4))
        try:
            os.write(tun, exactly(0, count))
        except OSError as error:
            print("the kernel refused a packet:", error, file=sys.stderr)


def from_guest():
    while True:
        packet = os.read(tun, 70000)
        rest = struct.pack("<I", len(packet)) + packet
        while rest:
            rest = rest[os.write(1, rest) :]


answers = threading.Lock()


def answer(value):
    with answers:
        os.write(4, (json.dumps(value) + "\n").encode())


def pattern(count, seed):
    block = bytes((n * 7 + seed * 31 + (n >> 8)) & 255 for n in range(65536))
    done = 0
    while done < count:
        part = block[: count - done]
        yield part
        done += len(part)


def run(command):
    result = {"id": command["id"], "error": None, "got": 0, "digest": None}
    try:
        transfer(command, result)
    except OSError as error:
        result["error"] = type(error).__name__
    answer(result)


def open_socket(command):
    family = socket.AF_INET6 if ":" in command["address"] else socket.AF_INET
    s = socket.socket(family, socket.SOCK_STREAM)
    for level, name, value in command.get("options", []):
        s.setsockopt(getattr(socket, level), getattr(socket, name), value)
    if not command.get("listen"):
        s.settimeout(60)
        s.connect((command["address"], command["port"]))
        return s
    s.bind((command["address"], command["port"]))
    s.listen(1)
    answer({"id": command["id"], "listening": True})
    connection, _ = s.accept()
    s.close()
    return connection


def transfer(command, result):
    s = open_socket(command)
    s.settimeout(command.get("timeout", 90))
    failures = []

    def send():
        try:
            for part in pattern(command.get("up", 0), command.get("seed", 1)):
                s.sendall(part)
                if command.get("pause"):
                    time.sleep(command["pause"])
            if command.get("finish", True):
                s.shutdown(socket.SHUT_WR)
        except OSError as error:
            failures.append(error)

    if command.get("receiveFirst"):
        receive(s, command, result)
        send()
    else:
        sender = threading.Thread(target=send)
        sender.start()
        time.sleep(command.get("sleep", 0))
        if "reset" in command:
            time.sleep(command["reset"])
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, SO_LINGER_NOW)
            s.close()
            return
        receive(s, command, result)
        sender.join()
    s.close()
    if failures:
        raise failures[0]


def receive(s, command, result):
    digest = hashlib.sha256()
    while True:
        part = s.recv(command.get("read", 1 << 20))
        if not part:
            break
        digest.update(part)
        result["got"] += len(part)
        if command.get("readPause"):
            time.sleep(command["readPause"])
    result["digest"] = digest.hexdigest()


threading.Thread(target=to_guest, daemon=True).start()
threading.Thread(target=from_guest, daemon=True).start()
answer({"ready": True})
for line in os.fdopen(3):
    threading.Thread(target=run, args=(json.loads(line),), daemon=True).start()
