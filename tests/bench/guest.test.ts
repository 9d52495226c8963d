import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readCpio, writeCpio } from "../../control-plane/formats/index.js";
import { unwrap } from "../../control-plane/util/index.js";
import { guestScript, type Mark, MarkReader, readMark, withBench } from "./guest.js";
import { pick, tasksOf } from "./workloads.js";

const tasks = tasksOf(pick(["alu", "gzip"]), [64, 32], 1);

describe("marks", () => {
  it("are read with carriage returns and in pieces, other lines are not", () => {
    const marks: Mark[] = [];
    const reader = new MarkReader((mark) => marks.push(mark));
    for (const text of [
      "[ 1.0] booting\r\n@@ re",
      "ady\r\n@@ begin big-code 64\n@@ go big-code 64\n",
      "@@ end big-code 64 0\r\n@@ out big-",
    ]) {
      reader.push(text);
    }
    reader.push("code 64 checksum 12 34\r\n@@ done\r\n");
    expect(marks).toEqual([
      { kind: "ready" },
      { kind: "begin", key: "big-code 64" },
      { kind: "go", key: "big-code 64" },
      { kind: "end", key: "big-code 64", status: 0 },
      { kind: "out", key: "big-code 64", text: "checksum 12 34" },
      { kind: "done" },
    ]);
  });

  it("name a program", () => {
    expect(readMark("@@ begin alu")).toBeUndefined();
    expect(readMark("@@ end alu 64 139")).toEqual({ kind: "end", key: "alu 64", status: 139 });
    expect(readMark("echo @@ ready")).toBeUndefined();
  });
});

describe("the guest's script", () => {
  it("runs every task between marks", () => {
    const script = guestScript(tasks);
    expect(script).toMatch(/^run "alu 32" '\$B\/alu\.32 \d+'$/m);
    expect(script.match(/^run "/gm)).toHaveLength(4);
  });

  it("fails a program whose network is not as it was to be", () => {
    const script = (name: string) => guestScript(tasksOf(pick([name]), [64], 1));
    expect(script("streams-2x2")).toMatch(/^run "streams-2x2 64" '.* && ways 2 0'$/m);
    expect(script("netchannel2")).toMatch(/^run "netchannel2 64" '.* && ways 1 1'$/m);
    expect(script("netchannel2-switch")).toMatch(/ && ways 1 0'$/m);
    expect(script("alu")).not.toContain("ways");
  });

  it("looks at the interface's queues and bypasses", () => {
    const folder = mkdtempSync(join(tmpdir(), "xenolith-ways-"));
    const interface_ = join(folder, "eth0");
    for (const queue of ["tx-0", "tx-1", "rx-0", "rx-1"])
      mkdirSync(join(interface_, "queues", queue), { recursive: true });
    const lines = guestScript(tasksOf(pick(["netchannel2"]), [64], 1)).split("\n");
    const ways = lines.slice(lines.indexOf("ways() {"), lines.indexOf("}") + 1).join("\n");
    const look = (wanted: string) =>
      spawnSync("sh", ["-c", `${ways.replaceAll("/sys/class/net/eth0", interface_)}\nways ${wanted}`], {
        encoding: "utf8",
      });
    try {
      expect(look("2 0")).toMatchObject({ status: 0, stdout: "" });
      expect(look("1 0")).toMatchObject({ status: 1, stdout: "2 queues, 0 bypasses, not 1 queues, 0 bypasses\n" });
      mkdirSync(join(interface_, "netchannel2"));
      writeFileSync(join(interface_, "netchannel2", "bypasses"), "0 00:16:3e:00:00:02 5 6\n1 00:16:3e:00:00:02 7 8\n");
      expect(look("2 2").status).toBe(0);
      expect(look("2 0").stdout).toBe("2 queues, 2 bypasses, not 2 queues, 0 bypasses\n");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("refuses a command that would end its own quotes", () => {
    expect(() => guestScript([{ ...tasks[0]!, command: "echo 'a'" }])).toThrow("alu 64");
  });

  it("goes into the initramfs with its files", () => {
    const base = writeCpio([{ path: "init", mode: 0o100755, data: new Uint8Array([1]) }]);
    const files = [{ name: "alu.64", bytes: new Uint8Array([2, 3]) }];
    const entries = unwrap(readCpio(withBench(base, tasks, files)));
    expect(entries.map(({ path }) => path)).toEqual(["init", "bench", "bench/alu.64", "bench/run"]);
  });
});
