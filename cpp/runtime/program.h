// A plan made executable: validated once, then run any number of times, from any number of threads.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/task_trace.h"
#include "base/tensor.h"
#include "base/weight_store.h"
#include "kernels/registry.h"
#include "ops/op.h"
#include "runtime/workspace.h"

namespace zeroskip {

// Pure data, as the planner made it.
struct ProgramSpec {
  std::vector<TensorSpec> tensors;
  std::vector<StepSpec> steps;
  std::vector<int> inputs;   // tensor indices, in the graph's order
  std::vector<int> outputs;  // likewise
  int64_t arena_bytes = 0;
  int num_threads = 0;  // 0: as many as the process may use CPUs
  std::string isa;      // empty: see choose_isa
};

// A caller's contiguous array.
struct ConstArray {
  const std::byte* data;
  DataType dtype;
  std::vector<int64_t> shape;
};

struct StepProfile {
  std::string name, op, kernel;
  double median_ms, min_ms, mean_ms;
  std::optional<double> density;         // of the first input, where it has a mask or its operator counts
  std::optional<double> steady_density;  // Op::steady_density
  double last_ms = 0.0;                  // of the last run, with
  std::vector<TaskSpan> tasks;           // what each thread did in it; from 0 where the step began
};

class Program {
 public:
  // Throws Error for anything wrong with the spec; afterwards it cannot fail at run time. Keeps no constants.
  // Runs take their memory from `memory`, which programs may share; null stands for a pool of its own.
  Program(ProgramSpec spec, WeightStore& weights, std::shared_ptr<ArenaPool> memory = nullptr);
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Throws Error when an array does not fit its graph input. `outputs` points at memory for output_spec(i)
  // each.
  void run(std::span<const ConstArray> inputs, std::span<std::byte* const> outputs) const;

  // Times every step over `iterations` runs; the densities come from one more, untimed run before them.
  std::vector<StepProfile> profile(std::span<const ConstArray> inputs, std::span<std::byte* const> outputs,
                                   int iterations) const;

  // Makes one step anew with other constants of the same shapes and roles, for example other thresholds.
  // Packed forms are taken from `weights` for the constants whose names it knows, so name changed ones
  // differently; those die with the step. Throws Error, and leaves the step as it was, when the operator does
  // not accept them. Not while a run is in progress, in whatever thread.
  void replace_constants(size_t step, std::map<std::string, ConstantView> constants, WeightStore& weights);

  size_t input_count() const { return spec_.inputs.size(); }
  size_t output_count() const { return spec_.outputs.size(); }
  const TensorSpec& input_spec(size_t i) const { return spec_.tensors[static_cast<size_t>(spec_.inputs[i])]; }
  const TensorSpec& output_spec(size_t i) const {
    return spec_.tensors[static_cast<size_t>(spec_.outputs[i])];
  }
  std::vector<std::string> kernel_names() const;  // one per step
  std::vector<std::string> plan_texts() const;    // likewise; empty for operators that plan nothing
  Isa isa() const { return isa_; }
  int num_threads() const { return spec_.num_threads; }
  size_t arena_bytes() const { return static_cast<size_t>(spec_.arena_bytes); }
  size_t scratch_bytes() const { return scratch_bytes_; }

 private:
  friend class StepwiseRun;

  void build_ops(WeightStore& weights);
  std::unique_ptr<Op> build_op(size_t index, WeightStore& weights);
  void check_types(const StepSpec& step) const;
  // By the first input's mask, else as the operator counts it.
  std::optional<double> input_density(size_t step, const RunContext& context) const;
  void check_inputs(std::span<const ConstArray> inputs) const;
  void bind(Workspace& workspace, std::span<const ConstArray> inputs,
            std::span<std::byte* const> outputs) const;
  RunContext step_context(const Workspace& workspace, size_t step) const;
  std::vector<std::optional<double>> measure_densities(const Workspace& workspace) const;

  ProgramSpec spec_;
  Isa isa_;
  std::vector<std::unique_ptr<Op>> ops_;
  size_t scratch_bytes_ = 0;
  std::unique_ptr<WorkspacePool> pool_;
};

}  // namespace zeroskip
