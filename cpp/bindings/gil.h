// Letting other Python threads run while the core computes.
#pragma once

#include <Python.h>
#include <cxxabi.h>
#include <unistd.h>

namespace zeroskip {

// Releases the GIL for its lifetime. Unlike nanobind's, it stands the end of the interpreter: until
// Python 3.14 a daemon thread that asks for the GIL then is ended by unwinding its stack, and frames that
// must not throw (nanobind's) turn that into std::terminate. Such a thread waits here for the process to end
// instead.
class GilRelease {
 public:
  GilRelease() : state_(PyEval_SaveThread()) {}
  ~GilRelease() {
    try {
      PyEval_RestoreThread(state_);
    } catch (abi::__forced_unwind&) {
      for (;;) pause();
    }
  }
  GilRelease(const GilRelease&) = delete;
  GilRelease& operator=(const GilRelease&) = delete;

 private:
  PyThreadState* state_;
};

}  // namespace zeroskip
