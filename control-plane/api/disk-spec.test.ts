import { describe, expect, it } from "vitest";
import { parseDiskSpec } from "./disk-spec.js";
import { parseVdev } from "./vdev.js";

const disk = (rest: object) => ({ ok: true, disk: { access: "w", devtype: "disk", ...rest } });

describe("a disk's text", () => {
  it.each([
    ["/images/a.vhd,vhd,xvda,rw", { target: "/images/a.vhd", format: "vhd", vdev: "xvda" }],
    ["a.img,,xvda", { target: "a.img", vdev: "xvda" }],
    ["a.img, raw, xvda, r", { target: "a.img", format: "raw", vdev: "xvda", access: "r" }],
    [
      "vdev=xvdb,format=qcow2,access=ro,target=a,b c.q",
      { target: "a,b c.q", format: "qcow2", vdev: "xvdb", access: "r" },
    ],
    ["a.iso,raw,hdc,devtype=cdrom", { target: "a.iso", format: "raw", vdev: "hdc", devtype: "cdrom", access: "r" }],
    ["cdrom,vdev=xvdd,target=", { target: "", vdev: "xvdd", devtype: "cdrom", access: "r" }],
    [",,hdc:cdrom,r", { target: "", vdev: "hdc", devtype: "cdrom", access: "r" }],
    ["format=vhd, a.vhd, vdev=d0, mode=w", { target: "a.vhd", format: "vhd", vdev: "d0" }],
    ["vhd:/a.vhd,xvda,w", { target: "/a.vhd", format: "vhd", vdev: "xvda" }],
    ["tap:vhd:/a.vhd,sda,r", { target: "/a.vhd", format: "vhd", vdev: "sda", access: "r" }],
    ["file:/a.img,hda1:disk,w", { target: "/a.img", vdev: "hda1" }],
    ["https://host/a.vhd,vhd,xvdb,r", { target: "https://host/a.vhd", format: "vhd", vdev: "xvdb", access: "r" }],
    ["a.vhd,vhd,xvda,w,discard", { target: "a.vhd", format: "vhd", vdev: "xvda", discard: true }],
    ["a.vhd,vhd,xvda,w,no-discard,direct-io-safe", { target: "a.vhd", format: "vhd", vdev: "xvda", discard: false }],
    ["a,raw,xvda,no-persistent-grants", { target: "a", format: "raw", vdev: "xvda", persistentGrants: false }],
    ["a,raw,xvda,persistent-grants", { target: "a", format: "raw", vdev: "xvda", persistentGrants: true }],
  ])("%s", (text, expected) => {
    expect(parseDiskSpec(text)).toEqual(disk(expected));
  });

  it.each([
    ["", 0, /target is missing/],
    ["a.img", 5, /vdev is missing/],
    ["a.img,vdi,xvda", 6, /format: expected raw, vhd or qcow2, found "vdi"/],
    ["a.img,qcow,xvda", 6, /convert it to qcow2/],
    ["a.img,raw,floppy", 10, /"floppy" names no disk/],
    ["a.img,raw,xvda,x", 15, /access: expected r or w, found "x"/],
    ["a.img,raw,xvda,w,again", 17, /one too many/],
    ["a.img,raw,xvda,w,vdev=xvdb", 17, /vdev is given twice/],
    ["a.img,raw,xvda,devtype=tape", 23, /devtype: expected disk or cdrom/],
    ["a.iso,raw,xvda,w,cdrom", 15, /only read/],
    ["a.img,raw,xvda,colour=red", 15, /no keyword "colour"/],
    ["a.img,raw,xvda,script=block-nbd", 15, /no block scripts/],
    ["a.img,raw,xvda,backend=dom1", 15, /Domain0 alone/],
  ])("is refused: %s", (text, offset, message) => {
    expect(parseDiskSpec(text)).toEqual({ ok: false, fault: { offset, message: expect.stringMatching(message) } });
  });
});

describe("a disk's name", () => {
  it.each([
    ["xvda", 51712],
    ["xvdb", 51728],
    ["xvda1", 51713],
    ["xvdp15", 51967],
    ["xvdq", 0x10001000],
    ["xvda16", 0x10000010],
    ["xvdaa", 0x10001a00],
    ["sda", 2048],
    ["sdb3", 2067],
    ["hda", 768],
    ["hdb1", 833],
    ["hdc", 5632],
    ["hdd2", 5698],
  ])("%s is %d, and back", (name, id) => {
    expect(parseVdev(name)).toEqual({ id, name });
  });

  it.each([
    ["d0", 51712, "xvda"],
    ["d0p1", 51713, "xvda1"],
    ["d16p0", 0x10001000, "xvdq"],
    ["51712", 51712, "xvda"],
    ["0xca00", 51712, "xvda"],
    ["12345", 12345, "12345"],
  ])("%s is %d too", (text, id, name) => {
    expect(parseVdev(text)).toEqual({ id, name });
  });

  it.each(["", "a", "xvd", "hde", "hda64", "sdq", "sda16", "xvda256", "d1048576", "XVDA", "xvda-1", "0"])(
    "%s is none",
    (text) => {
      expect(parseVdev(text)).toBeNull();
    },
  );
});
