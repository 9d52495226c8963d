# What needs no place in the file.

.bss
.align 4096
page_map: .skip 4096
page_pointers: .skip 4096
page_directories: .skip 4 * 4096
hypercall_page: .skip 4096
shared_info: .skip 4096
idt: .skip VECTORS * 16
    .skip 16384
stack_top:
start_info: .long 0
line: .skip LINE_BYTES + 8
text_buffer: .skip 64
