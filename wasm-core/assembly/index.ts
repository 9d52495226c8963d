export { runVcpu } from "./run/run";
