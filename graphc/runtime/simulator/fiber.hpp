// Switching between stacks: by hand on x86-64, by ucontext elsewhere (define
// SIMULATOR_UCONTEXT to choose the latter everywhere).
#pragma once
#include "interface.hpp"

#if !defined(__x86_64__) && !defined(SIMULATOR_UCONTEXT)
#define SIMULATOR_UCONTEXT 1
#endif

#ifdef SIMULATOR_UCONTEXT
#include <ucontext.h>
#endif

namespace simulator {

#ifdef SIMULATOR_UCONTEXT

struct MainContext {
  ucontext_t context;
};

// Prepares `thread` to start in `entry`. The ucontext_t lies on the thread's own stack.
inline void prepare(Thread& thread, void (*entry)()) {
  auto* top = reinterpret_cast<unsigned char*>(&thread);
  auto address = reinterpret_cast<std::uintptr_t>(top - sizeof(ucontext_t)) & ~std::uintptr_t{63};
  auto* context = reinterpret_cast<ucontext_t*>(address);
  getcontext(context);
  auto* bottom = reinterpret_cast<unsigned char*>(
      reinterpret_cast<std::uintptr_t>(top) & ~std::uintptr_t{stack_bytes - 1});
  context->uc_stack.ss_sp = bottom;
  context->uc_stack.ss_size = address - reinterpret_cast<std::uintptr_t>(bottom);
  context->uc_link = nullptr;
  makecontext(context, entry, 0);
  thread.context = context;
}

inline void enter(MainContext& from, Thread& to) {
  swapcontext(&from.context, static_cast<ucontext_t*>(to.context));
}
inline void leave(Thread& from, MainContext& to) {
  swapcontext(static_cast<ucontext_t*>(from.context), &to.context);
}
inline void change(Thread& from, Thread& to) {
  swapcontext(static_cast<ucontext_t*>(from.context), static_cast<ucontext_t*>(to.context));
}

#else

// System V ABI: rbx, rbp and r12 to r15 survive a call, all else is the caller's to save.
extern "C" __attribute__((visibility("hidden"))) void simulator_switch(void** save, void* load);
asm(R"(
.text
.hidden simulator_switch
.weak simulator_switch
.type simulator_switch, @function
simulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size simulator_switch, .-simulator_switch
)");

struct MainContext {
  void* context;
};

// Prepares `thread` to start in `entry`, as if simulator_switch had been called from it.
inline void prepare(Thread& thread, void (*entry)()) {
  auto** top = reinterpret_cast<void**>(&thread);
  *--top = nullptr;  // the return address of `entry`, which also aligns the stack for it
  *--top = reinterpret_cast<void*>(entry);
  for (int saved_register = 0; saved_register < 6; ++saved_register) *--top = nullptr;
  thread.context = top;
}

inline void enter(MainContext& from, Thread& to) { simulator_switch(&from.context, to.context); }
inline void leave(Thread& from, MainContext& to) { simulator_switch(&from.context, to.context); }
inline void change(Thread& from, Thread& to) { simulator_switch(&from.context, to.context); }

#endif

}  // namespace simulator
