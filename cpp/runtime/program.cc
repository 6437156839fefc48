#include "runtime/program.h"

#include <algorithm>
#include <bit>

#include "base/fp_mode.h"
#include "base/memory.h"
#include "ops/ops.h"
#include "runtime/validate.h"

namespace zeroskip {
namespace {

constexpr int kMaxThreads = 1024;

double mask_density(const Tensor& tensor) {
  const TensorSpec& spec = *tensor.spec;
  const int64_t words = spec.blocks();
  int64_t nonzeros = 0;
  for (int64_t pixel = 0; pixel < spec.pixels(); ++pixel)
    for (int64_t word = 0; word < words; ++word)
      nonzeros += std::popcount(tensor.mask[pixel * spec.mask_stride() + word]);
  const int64_t bits = spec.pixels() * ceil_div(spec.c(), traits(spec.dtype).mask_elements);
  return bits ? static_cast<double>(nonzeros) / static_cast<double>(bits) : 0.0;
}

// Of u8 inputs, which have no masks: what is not the zero point, of steps that say what that is.
std::optional<double> u8_density(const StepSpec& step, const Tensor& x) {
  if (x.spec->dtype != DataType::kU8 || !step.attributes.contains("x_zero_point")) return std::nullopt;
  const auto zero_point = static_cast<uint8_t>(step.get_int("x_zero_point"));
  const bool is_map = x.spec->layout == Layout::kNhwc;
  const int64_t channels = is_map ? x.spec->c() : x.spec->elements(), pixels = is_map ? x.spec->pixels() : 1;
  int64_t zeros = 0;
  for (int64_t pixel = 0; pixel < pixels; ++pixel) {
    const uint8_t* values = x.as<uint8_t>() + pixel * (is_map ? x.spec->pixel_stride : channels);
    zeros += std::count(values, values + channels, zero_point);
  }
  const auto elements = static_cast<double>(pixels * channels);
  return elements ? 1.0 - static_cast<double>(zeros) / elements : 0.0;
}

// A request beyond the machine's memory may be granted and end the process when it is used: refuse it here.
void check_memory(int64_t arena_bytes, int64_t scratch_bytes) {
  const int64_t available = physical_memory_bytes();
  check(arena_bytes <= available && scratch_bytes <= available - arena_bytes,
        "out of memory: a run needs a workspace of ", arena_bytes, " + ", scratch_bytes,
        " bytes, this machine has ", available, "; use a smaller batch or image");
}

StepProfile summarize(const StepSpec& step, const Op& op, std::vector<double> times_ms) {
  std::sort(times_ms.begin(), times_ms.end());
  const size_t count = times_ms.size();
  double sum = 0;
  for (const double ms : times_ms) sum += ms;
  return {.name = step.name,
          .op = step.op,
          .kernel = op.kernel_name(),
          .median_ms = (times_ms[(count - 1) / 2] + times_ms[count / 2]) / 2,
          .min_ms = times_ms.front(),
          .mean_ms = sum / static_cast<double>(count),
          .density = std::nullopt,
          .steady_density = op.steady_density(),
          .tasks = {}};
}

std::vector<TaskSpan> spans_since(int64_t start_ns, std::vector<TaskSpan> spans) {
  for (TaskSpan& span : spans) {
    span.begin_ns -= start_ns;
    span.end_ns -= start_ns;
  }
  return spans;
}

}  // namespace

Program::Program(ProgramSpec spec, WeightStore& weights, std::shared_ptr<ArenaPool> memory)
    : spec_(std::move(spec)), isa_(choose_isa(spec_.isa)) {
  check(spec_.num_threads >= 0 && spec_.num_threads <= kMaxThreads, "num_threads is ", spec_.num_threads,
        ", needs 0 (all CPUs of this process) to ", kMaxThreads);
  if (spec_.num_threads == 0) spec_.num_threads = available_cpus();
  validate_tensors(spec_);
  validate_graph(spec_);
  validate_dataflow(spec_);
  spec_.arena_bytes = used_arena_bytes(spec_);
  check_memory(spec_.arena_bytes, 0);  // before operators prepare for maps that cannot be
  build_ops(weights);
  check_memory(spec_.arena_bytes, static_cast<int64_t>(scratch_bytes_));

  WorkspaceLayout layout{.tensors = &spec_.tensors,
                         .step_inputs = {},
                         .step_outputs = {},
                         .arena_bytes = arena_bytes(),
                         .scratch_bytes = scratch_bytes_};
  for (const StepSpec& step : spec_.steps) {
    layout.step_inputs.push_back(step.inputs);
    layout.step_outputs.push_back(step.outputs);
  }
  if (!memory) memory = std::make_shared<ArenaPool>();
  pool_ = std::make_unique<WorkspacePool>(std::move(layout), std::move(memory));
  pool_->take();  // the first run must not pay for the memory
}

void Program::build_ops(WeightStore& weights) {
  for (size_t i = 0; i < spec_.steps.size(); ++i) {
    ops_.push_back(build_op(i, weights));
    scratch_bytes_ = std::max(scratch_bytes_, ops_.back()->scratch_bytes());
  }
}

std::unique_ptr<Op> Program::build_op(size_t index, WeightStore& weights) {
  const BuildContext context{.tensors = spec_.tensors,
                             .kernels = kernel_table(isa_),
                             .num_threads = spec_.num_threads,
                             .weights = weights};
  StepSpec& step = spec_.steps[index];
  std::unique_ptr<Op> op;
  try {
    const OpFactory make = find_op(step.op);
    check(make != nullptr, "no such operator");
    check_types(step);
    // Packed forms are shared by name. With the shape in it, constants of one name and several shapes stay
    // several: none is read beyond its end.
    for (auto& [role, constant] : step.constants) {
      check(constant.dtype == DataType::kFloat32 || step.op.starts_with("quantized_"), "constant '", role,
            "' holds ", traits(constant.dtype).name, ", needs float32");
      constant.name += shape_text(constant.shape);
    }
    op = make(step, context);
  } catch (const Error& error) {
    throw StepError(
        index, "step " + std::to_string(index) + " '" + step.name + "' (" + step.op + "): " + error.what());
  } catch (const std::bad_alloc&) {
    throw_error("step ", index, " '", step.name, "' (", step.op, "): out of memory while packing constants");
  }
  step.constants.clear();  // the views end with the caller's arrays; operators have packed what they need
  return op;
}

// All inputs of a step have one type, which the operator takes, and all outputs the type it gives for that.
void Program::check_types(const StepSpec& step) const {
  const TensorSpec* first = nullptr;
  for (const int index : step.inputs) {
    const TensorSpec& tensor = spec_.tensors[static_cast<size_t>(index)];
    if (!first) first = &tensor;
    check(op_takes(step.op, tensor.dtype), "does not take ", traits(tensor.dtype).name, ", the type of '",
          tensor.name, "'");
    check(tensor.dtype == first->dtype, "'", tensor.name, "' holds ", traits(tensor.dtype).name, " and '",
          first->name, "' ", traits(first->dtype).name, ", needs one type");
  }
  for (const int index : step.outputs) {
    const TensorSpec& tensor = spec_.tensors[static_cast<size_t>(index)];
    const DataType given = op_gives(step.op, first ? first->dtype : tensor.dtype, tensor.dtype);
    check(tensor.dtype == given, "'", tensor.name, "' holds ", traits(tensor.dtype).name, ", needs ",
          traits(given).name, first ? " for inputs of " : "", first ? traits(first->dtype).name : "");
  }
}

void Program::replace_constants(size_t step, std::map<std::string, ConstantView> constants,
                                WeightStore& weights) {
  check(step < ops_.size(), "step ", step, " of ", ops_.size());
  WeightStore changed(&weights);  // what it packs is held by the operator alone
  spec_.steps[step].constants = std::move(constants);
  std::unique_ptr<Op> op = build_op(step, changed);
  check(op->scratch_bytes() <= scratch_bytes_, "step ", step,
        " needs more scratch memory with other constants");
  ops_[step] = std::move(op);
}

void Program::check_inputs(std::span<const ConstArray> inputs) const {
  check(inputs.size() == input_count(), "got ", inputs.size(), " input(s), the program has ", input_count());
  for (size_t i = 0; i < inputs.size(); ++i)
    check(inputs[i].dtype == input_spec(i).dtype, "input ", i, " '", input_spec(i).name, "' holds ",
          traits(inputs[i].dtype).name, ", the program was compiled for ", traits(input_spec(i).dtype).name);
  for (size_t i = 0; i < inputs.size(); ++i)
    check(inputs[i].shape == input_spec(i).shape, "input ", i, " '", input_spec(i).name, "' has shape ",
          shape_text(inputs[i].shape), ", the program was compiled for ", shape_text(input_spec(i).shape));
}

void Program::bind(Workspace& workspace, std::span<const ConstArray> inputs,
                   std::span<std::byte* const> outputs) const {
  // Steps never write to graph inputs (validate_graph), so dropping const here is safe.
  for (size_t i = 0; i < inputs.size(); ++i)
    workspace.bind_external(spec_.inputs[i], const_cast<std::byte*>(inputs[i].data));
  for (size_t i = 0; i < outputs.size(); ++i) workspace.bind_external(spec_.outputs[i], outputs[i]);
}

RunContext Program::step_context(const Workspace& workspace, size_t step) const {
  return {.inputs = workspace.inputs(step),
          .outputs = workspace.outputs(step),
          .scratch = workspace.scratch(),
          .num_threads = spec_.num_threads};
}

void Program::run(std::span<const ConstArray> inputs, std::span<std::byte* const> outputs) const {
  check_inputs(inputs);
  const WorkspacePool::Lease lease = pool_->take();
  bind(*lease, inputs, outputs);
  const FlushDenormals flush;
  const ThreadPool::Run run(spec_.num_threads);
  for (size_t i = 0; i < ops_.size(); ++i) ops_[i]->run(step_context(*lease, i));
}

std::optional<double> Program::input_density(size_t step, const RunContext& context) const {
  if (context.inputs.empty()) return std::nullopt;
  if (context.inputs[0].mask) return mask_density(context.inputs[0]);
  const std::optional<double> counted = ops_[step]->input_density(context);
  return counted ? counted : u8_density(spec_.steps[step], context.inputs[0]);
}

std::vector<std::optional<double>> Program::measure_densities(const Workspace& workspace) const {
  std::vector<std::optional<double>> densities(ops_.size());
  for (size_t i = 0; i < ops_.size(); ++i) {
    const RunContext context = step_context(workspace, i);
    densities[i] = input_density(i, context);
    ops_[i]->run(context);
  }
  return densities;
}

std::vector<StepProfile> Program::profile(std::span<const ConstArray> inputs,
                                          std::span<std::byte* const> outputs, int iterations) const {
  check(iterations >= 1, "iterations is ", iterations, ", needs at least 1");
  check_inputs(inputs);
  const WorkspacePool::Lease lease = pool_->take();
  bind(*lease, inputs, outputs);
  const FlushDenormals flush;
  const ThreadPool::Run run(spec_.num_threads);
  const auto densities = measure_densities(*lease);

  std::vector<std::vector<double>> times_ms(ops_.size());
  std::vector<std::vector<TaskSpan>> tasks(ops_.size());
  for (int iteration = 1; iteration <= iterations; ++iteration) {
    for (size_t i = 0; i < ops_.size(); ++i) {
      const bool traces = iteration == iterations && TaskTrace::start();
      const int64_t start = TaskTrace::now_ns();
      ops_[i]->run(step_context(*lease, i));
      times_ms[i].push_back(static_cast<double>(TaskTrace::now_ns() - start) * 1e-6);
      if (traces) tasks[i] = spans_since(start, TaskTrace::stop());
    }
  }
  std::vector<StepProfile> profiles;
  for (size_t i = 0; i < ops_.size(); ++i) {
    const double last_ms = times_ms[i].back();
    profiles.push_back(summarize(spec_.steps[i], *ops_[i], std::move(times_ms[i])));
    profiles.back().density = densities[i];
    profiles.back().last_ms = last_ms;
    profiles.back().tasks = std::move(tasks[i]);
  }
  return profiles;
}

std::vector<std::string> Program::kernel_names() const {
  std::vector<std::string> names;
  for (const auto& op : ops_) names.push_back(op->kernel_name());
  return names;
}

std::vector<std::string> Program::plan_texts() const {
  std::vector<std::string> texts;
  for (const auto& op : ops_) texts.push_back(op->plan_text());
  return texts;
}

}  // namespace zeroskip
