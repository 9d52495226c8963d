/** Chains of images as the programs of Microsoft left them, the image below all others first. */
import { type ForeignImage, type ForeignLocator, latin1, utf16 } from "./foreign.js";

export interface ForeignChain {
  readonly by: string;
  /** What the programs say they are. */
  readonly creator: string;
  readonly images: readonly (readonly [name: string, image: ForeignImage])[];
}

/** A time that all of the chain's files have: seconds since 2000, and milliseconds since 1970. */
const SECONDS = 0x1000_0000;
export const FOREIGN_TIME_MS = (SECONDS + 946_684_800) * 1000;

/** Blocks of 2 MiB, the absolute path before the relative one, room for paths in bytes. */
function hyperV(): ForeignChain {
  const common = {
    creator: ["win ", 0x00060001],
    sectors: 32768,
    geometry: [481, 4, 17],
    blockSectors: 4096,
    parts: ["header", "table", "locators", "blocks"],
  } as const;
  const parent = (id: number, name: string) => ({
    id,
    seconds: SECONDS,
    name: `D:\\Hyper-V\\${name}`,
    locators: [
      { code: "W2ku", data: utf16(`D:\\Hyper-V\\${name}`), unit: "bytes" },
      { code: "W2ru", data: utf16(`.\\${name}`), unit: "bytes" },
    ] satisfies ForeignLocator[],
  });
  const base = "Server.vhd";
  const first = "Server_0F4A5E31-7C1D-4F0B-9A55-6E1C3D9B8A02.avhd";
  return {
    by: "Hyper-V",
    creator: "win  6.1",
    images: [
      [
        base,
        {
          ...common,
          id: 1,
          runs: [
            [0, 64, 0x11],
            [4000, 200, 0x12],
            [32760, 8, 0x13],
          ],
        },
      ],
      [
        first,
        {
          ...common,
          id: 2,
          parent: parent(1, base),
          runs: [
            [8, 8, 0x21],
            [4096, 16, 0],
            [20480, 40, 0x22],
          ],
        },
      ],
      [
        "Server_two.avhd",
        {
          ...common,
          id: 3,
          parent: parent(2, first),
          runs: [
            [16, 8, 0x31],
            [20488, 8, 0x32],
          ],
        },
      ],
    ],
  };
}

/**
 * Blocks of 512 KiB, a disk as large as its geometry, the dynamic header behind all else, paths of the old kinds beside the
 * new ones in any place of the header, and room for paths in sectors.
 */
function virtualPc(): ForeignChain {
  const common = {
    creator: ["vpc ", 0x00050003],
    sectors: 481 * 4 * 17,
    geometry: [481, 4, 17],
    blockSectors: 1024,
    parts: ["locators", "blocks", "table", "header"],
  } as const;
  const parent = (id: number, name: string) => ({
    id,
    seconds: SECONDS,
    name,
    locators: [
      null,
      { code: "Wi2k", data: latin1(`C:\\My Disks\\${name}\0`), unit: "sectors" },
      { code: "Mac ", data: latin1("an alias"), unit: "sectors", room: 3 },
      { code: "W2ku", data: utf16(`C:\\My Disks\\${name}`), unit: "sectors" },
      null,
      { code: "Wi2r", data: latin1(`.\\${name}\0`), unit: "sectors" },
      null,
      { code: "W2ru", data: utf16(`.\\${name}`), unit: "sectors", room: 2 },
    ] satisfies (ForeignLocator | null)[],
  });
  return {
    by: "Virtual PC",
    creator: "vpc  5.3",
    images: [
      [
        "Base Disk.vhd",
        {
          ...common,
          id: 4,
          runs: [
            [0, 24, 0x41],
            [1000, 3000, 0x42],
            [32688, 20, 0x43],
          ],
        },
      ],
      [
        "Undo.vhd",
        {
          ...common,
          id: 5,
          parent: parent(4, "Base Disk.vhd"),
          runs: [
            [8, 8, 0x51],
            [2048, 512, 0],
          ],
        },
      ],
      [
        "Undo 2.vhd",
        {
          ...common,
          id: 6,
          parent: parent(5, "Undo.vhd"),
          runs: [
            [2056, 64, 0x61],
            [32696, 8, 0x62],
          ],
        },
      ],
    ],
  };
}

export const FOREIGN_CHAINS: readonly ForeignChain[] = [hyperV(), virtualPc()];
