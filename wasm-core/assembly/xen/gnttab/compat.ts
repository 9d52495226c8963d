/**
 * The grant-table structures that hold pointers or frame numbers as 32-bit guests lay them out. They are worked on in
 * the form of 64-bit guests; only the status goes back. [XEN] common/compat/grant_table.c
 */
import { GrantTableOp } from "../../gen/layout";

/** Bytes of a command's structure in a 32-bit guest; `wide` for those that are the same. */
export function narrowBytes(cmd: u32, wide: u32): u32 {
  switch (cmd) {
    case GrantTableOp.SETUP_TABLE:
    case GrantTableOp.TRANSFER:
      return 16;
    case GrantTableOp.COPY:
      return 24;
    case GrantTableOp.GET_STATUS_FRAMES:
      return 12;
    default:
      return wide;
  }
}

/** Writes at `op` what the 32-bit guest's structure at `raw` says, in `bytes` that are zero before. */
export function widen(cmd: u32, raw: usize, op: usize, bytes: u32): void {
  memory.fill(op, 0, bytes);
  switch (cmd) {
    case GrantTableOp.SETUP_TABLE:
      // dom 0, nr_frames 4, status 8, list 12
      memory.copy(op, raw, 12);
      store<u32>(op, load<u32>(raw, 12), 16);
      break;
    case GrantTableOp.TRANSFER:
      // gfn 0, domid 4, ref 8, status 12
      store<u32>(op, load<u32>(raw));
      store<u16>(op, load<u16>(raw, 4), 8);
      store<u32>(op, load<u32>(raw, 8), 12);
      break;
    case GrantTableOp.COPY:
      // source 0 and dest 8, each ref or gfn 0, domid 4, offset 6; len 16, flags 18, status 20
      widenSide(raw, op);
      widenSide(raw + 8, op + 16);
      store<u32>(op, load<u32>(raw, 16), 32);
      break;
    default:
      // get_status_frames: nr_frames 0, dom 4, status 6, list 8
      memory.copy(op, raw, 12);
      break;
  }
}

function widenSide(raw: usize, side: usize): void {
  store<u32>(side, load<u32>(raw));
  store<u32>(side, load<u32>(raw, 4), 8);
}

/** Takes the status of the operation at `op` over into the 32-bit guest's structure. */
export function narrowStatus(cmd: u32, op: usize, raw: usize): void {
  switch (cmd) {
    case GrantTableOp.SETUP_TABLE:
      store<i16>(raw, load<i16>(op, 8), 8);
      break;
    case GrantTableOp.TRANSFER:
      store<i16>(raw, load<i16>(op, 16), 12);
      break;
    case GrantTableOp.COPY:
      store<i16>(raw, load<i16>(op, 36), 20);
      break;
    default:
      store<i16>(raw, load<i16>(op, 6), 6);
      break;
  }
}
