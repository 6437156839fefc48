// The Python module zeroskip._core. The only C++ file that knows nanobind: it turns dictionaries into specs,
// arrays into pointers, and zeroskip::Error into _core.Error; it decides nothing.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <new>

#include "bindings/gil.h"
#include "runtime/peak.h"
#include "runtime/program.h"
#include "runtime/stepwise.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace zeroskip {
namespace {

using Array = nb::ndarray<nb::ro, nb::device::cpu>;
using NumpyArray = nb::ndarray<nb::numpy>;
using ByteArray = nb::ndarray<nb::numpy, uint8_t, nb::ndim<1>, nb::c_contig>;

template <typename T>
T get(const nb::dict& dict, const char* key) {
  if (!dict.contains(key)) throw_error("key '", key, "' is missing from a tensor or step");
  T value;
  if (!nb::try_cast<T>(dict[key], value))
    throw_error("key '", key, "' of a tensor or step has the wrong type: ", nb::repr(dict[key]).c_str());
  return value;
}

// numpy has no bf16: its bits come and go as uint16.
nb::dlpack::dtype array_type(DataType type) {
  switch (type) {
    case DataType::kFloat32:
      return nb::dtype<float>();
    case DataType::kU8:
      return nb::dtype<uint8_t>();
    case DataType::kS8:
      return nb::dtype<int8_t>();
    case DataType::kS32:
      return nb::dtype<int32_t>();
    case DataType::kBf16:
    case DataType::kFp16:
      break;
  }
  return nb::dtype<uint16_t>();
}

// A contiguous array of elements of `dtype`. `owners` gets what keeps the values in place, whatever happens to
// the caller's list meanwhile.
ConstArray to_const_array(nb::handle object, const std::string& what, std::vector<Array>& owners,
                          DataType dtype = DataType::kFloat32) {
  Array array;
  if (!nb::try_cast<Array>(object, array))
    throw_error(what, ": expected a numpy array, got ", nb::type_name(object.type()).c_str());
  check(array.dtype() == array_type(dtype), what, ": expected dtype ", traits(dtype).name,
        dtype == DataType::kBf16 ? " (its bits, as uint16)" : "");
  ConstArray result{.data = static_cast<const std::byte*>(array.data()), .dtype = dtype, .shape = {}};
  int64_t expected_stride = 1;
  for (size_t axis = array.ndim(); axis-- > 0;) {
    check(array.shape(axis) == 1 || array.stride(axis) == expected_stride || array.size() == 0, what,
          ": expected a C-contiguous array (numpy.ascontiguousarray makes one)");
    expected_stride *= static_cast<int64_t>(array.shape(axis));
  }
  for (size_t axis = 0; axis < array.ndim(); ++axis)
    result.shape.push_back(static_cast<int64_t>(array.shape(axis)));
  owners.push_back(std::move(array));
  return result;
}

TensorSpec to_tensor(const nb::dict& dict) {
  TensorSpec tensor;
  tensor.name = get<std::string>(dict, "name");
  tensor.shape = get<std::vector<int64_t>>(dict, "shape");
  const auto layout = get<std::string>(dict, "layout");
  check(layout == "row" || layout == "nhwc", "tensor '", tensor.name, "': layout is '", layout,
        "', needs 'row' or 'nhwc'");
  tensor.layout = layout == "row" ? Layout::kRow : Layout::kNhwc;
  const auto dtype = dict.contains("dtype") ? get<std::string>(dict, "dtype") : "float32";
  const std::optional<DataType> known = find_data_type(dtype);
  check(known && is_tensor_type(*known), "tensor '", tensor.name, "': dtype is '", dtype,
        "', needs 'float32', 'bf16' or 'u8'");
  tensor.dtype = *known;
  tensor.masked = get<bool>(dict, "masked");
  tensor.pixel_stride = get<int64_t>(dict, "pixel_stride");
  tensor.offset = get<int64_t>(dict, "offset");
  tensor.mask_offset = get<int64_t>(dict, "mask_offset");
  return tensor;
}

Attribute to_attribute(const std::string& step, const std::string& key, nb::handle value) {
  if (nb::isinstance<nb::str>(value)) return nb::cast<std::string>(value);
  if (nb::isinstance<nb::float_>(value)) return nb::cast<double>(value);
  if (int64_t integer; nb::try_cast<int64_t>(value, integer)) return integer;
  if (std::vector<int64_t> integers; nb::try_cast<std::vector<int64_t>>(value, integers)) return integers;
  if (std::vector<double> numbers; nb::try_cast<std::vector<double>>(value, numbers)) return numbers;
  throw_error("step '", step, "': attribute '", key, "' is neither number, string nor list of numbers");
}

// The type of a constant: that of its array where constants may have it, else float32, which its array then is not.
DataType constant_type(nb::handle object) {
  Array array;
  if (nb::try_cast<Array>(object, array))
    for (const DataType type : {DataType::kS8, DataType::kS32})
      if (array.dtype() == array_type(type)) return type;
  return DataType::kFloat32;
}

// Views by role; a view's name is what `names` says for the role, by default "<step>.<role>".
std::map<std::string, ConstantView> to_constants(const std::string& step, const nb::dict& arrays,
                                                 const nb::dict& names, std::vector<Array>& owners) {
  std::map<std::string, ConstantView> constants;
  for (const auto& [key, value] : arrays) {
    const auto role = nb::cast<std::string>(key);
    const std::string what = "step '" + step + "': constant '" + role + "'";
    const ConstArray array = to_const_array(value, what, owners, constant_type(value));
    ConstantView view{.shape = array.shape,
                      .values = {},
                      .name = step + "." + role,
                      .dtype = array.dtype,
                      .data = array.data};
    if (names.contains(key)) view.name = nb::cast<std::string>(names[key]);
    if (array.dtype == DataType::kFloat32)
      view.values = {reinterpret_cast<const float*>(array.data), static_cast<size_t>(view.elements())};
    constants.emplace(role, std::move(view));
  }
  return constants;
}

// The arrays are needed while the Program is built, and not afterwards.
StepSpec to_step(const nb::dict& dict, std::vector<Array>& owners) {
  StepSpec step;
  step.op = get<std::string>(dict, "op");
  step.name = get<std::string>(dict, "name");
  step.inputs = get<std::vector<int>>(dict, "inputs");
  step.outputs = get<std::vector<int>>(dict, "outputs");
  for (const auto& [key, value] : get<nb::dict>(dict, "attributes")) {
    const auto name = nb::cast<std::string>(key);
    step.attributes.emplace(name, to_attribute(step.name, name, value));
  }
  const nb::dict names = dict.contains("constants") ? get<nb::dict>(dict, "constants") : nb::dict();
  step.constants = to_constants(step.name, get<nb::dict>(dict, "arrays"), names, owners);
  return step;
}

std::vector<ConstArray> to_inputs(const Program& program, const nb::list& arrays,
                                  std::vector<Array>& owners) {
  std::vector<ConstArray> inputs;
  for (size_t i = 0; i < arrays.size(); ++i) {
    const std::string name = i < program.input_count() ? " '" + program.input_spec(i).name + "'" : "";
    const DataType dtype = i < program.input_count() ? program.input_spec(i).dtype : DataType::kFloat32;
    inputs.push_back(to_const_array(arrays[i], "input " + std::to_string(i) + name, owners, dtype));
  }
  return inputs;
}

NumpyArray new_array(const TensorSpec& spec) {
  constexpr std::align_val_t alignment{kAlignment};
  void* data = operator new(static_cast<size_t>(spec.bytes()), alignment);
  const nb::capsule owner(data, [](void* p) noexcept { operator delete(p, std::align_val_t{kAlignment}); });
  const std::vector<size_t> shape(spec.shape.begin(), spec.shape.end());
  return NumpyArray(data, shape.size(), shape.data(), owner, nullptr, array_type(spec.dtype));
}

std::vector<NumpyArray> new_outputs(const Program& program) {
  std::vector<NumpyArray> arrays;
  for (size_t i = 0; i < program.output_count(); ++i) arrays.push_back(new_array(program.output_spec(i)));
  return arrays;
}

std::vector<std::byte*> pointers(const std::vector<NumpyArray>& arrays) {
  std::vector<std::byte*> result;
  for (const NumpyArray& array : arrays) result.push_back(static_cast<std::byte*>(array.data()));
  return result;
}

void init_program(Program* self, const std::vector<nb::dict>& tensors, const std::vector<nb::dict>& steps,
                  std::vector<int> inputs, std::vector<int> outputs, int64_t arena_bytes, int num_threads,
                  const std::optional<std::string>& isa, WeightStore* weights,
                  std::shared_ptr<ArenaPool> memory) {
  ProgramSpec spec{.tensors = {},
                   .steps = {},
                   .inputs = std::move(inputs),
                   .outputs = std::move(outputs),
                   .arena_bytes = arena_bytes,
                   .num_threads = num_threads,
                   .isa = isa.value_or("")};
  for (const nb::dict& tensor : tensors) spec.tensors.push_back(to_tensor(tensor));
  std::vector<Array> owners;
  for (const nb::dict& step : steps) spec.steps.push_back(to_step(step, owners));
  WeightStore own;  // operators hold what they take from it
  const GilRelease release;
  new (self) Program(std::move(spec), weights ? *weights : own, std::move(memory));
}

std::vector<NumpyArray> run(const Program& program, const nb::list& arrays) {
  std::vector<Array> owners;
  const std::vector<ConstArray> inputs = to_inputs(program, arrays, owners);
  std::vector<NumpyArray> outputs = new_outputs(program);
  const std::vector<std::byte*> addresses = pointers(outputs);
  {
    const GilRelease release;
    program.run(inputs, addresses);
  }
  return outputs;
}

nb::list profile(const Program& program, const nb::list& arrays, int iterations) {
  std::vector<Array> owners;
  const std::vector<ConstArray> inputs = to_inputs(program, arrays, owners);
  const std::vector<NumpyArray> outputs = new_outputs(program);
  const std::vector<std::byte*> addresses = pointers(outputs);
  std::vector<StepProfile> steps;
  {
    const GilRelease release;
    steps = program.profile(inputs, addresses, iterations);
  }
  nb::list result;
  for (const StepProfile& step : steps) {
    nb::dict entry;
    entry["name"] = step.name;
    entry["op"] = step.op;
    entry["kernel"] = step.kernel;
    entry["median_ms"] = step.median_ms;
    entry["min_ms"] = step.min_ms;
    entry["mean_ms"] = step.mean_ms;
    entry["density"] = step.density;
    entry["steady_density"] = step.steady_density;
    entry["last_ms"] = step.last_ms;
    nb::list tasks;
    for (const TaskSpan& task : step.tasks)
      tasks.append(nb::make_tuple(task.thread, 1e-6 * static_cast<double>(task.begin_ns),
                                  1e-6 * static_cast<double>(task.end_ns)));
    entry["tasks"] = tasks;
    result.append(entry);
  }
  return result;
}

void replace_constants(Program& program, size_t step, const nb::dict& arrays, const nb::dict& names,
                       WeightStore& weights) {
  std::vector<Array> owners;
  std::map<std::string, ConstantView> constants =
      to_constants("step " + std::to_string(step), arrays, names, owners);
  const GilRelease release;
  program.replace_constants(step, std::move(constants), weights);
}

// A StepwiseRun together with the arrays it reads and writes.
class BoundRun {
 public:
  BoundRun(const Program& program, const nb::list& inputs)
      : outputs_(new_outputs(program)),
        run_(program, to_inputs(program, inputs, inputs_), pointers(outputs_)) {}

  void run(size_t first, size_t last, bool counts) {
    const GilRelease release;
    run_.run(first, last, counts);
  }
  std::vector<NumpyArray> outputs() const { return outputs_; }
  std::vector<std::optional<double>> densities() const { return run_.densities(); }

  ByteArray save(const std::vector<std::pair<int64_t, int64_t>>& ranges) const {
    const std::vector<ByteRange> wanted = to_ranges(ranges);
    size_t size = 0;
    for (const ByteRange& range : wanted) size += static_cast<size_t>(std::max<int64_t>(range.size, 0));
    auto data = std::make_unique<std::byte[]>(size);
    run_.save(wanted, data.get());
    const nb::capsule owner(data.get(), [](void* p) noexcept { delete[] static_cast<std::byte*>(p); });
    return ByteArray(data.release(), {size}, owner);
  }
  void load(const std::vector<std::pair<int64_t, int64_t>>& ranges, const ByteArray& bytes) {
    const std::vector<ByteRange> wanted = to_ranges(ranges);
    int64_t size = 0;
    for (const ByteRange& range : wanted) size += range.size;
    check(size == static_cast<int64_t>(bytes.size()), "ranges of ", size, " bytes, and an array of ",
          bytes.size());
    run_.load(wanted, reinterpret_cast<const std::byte*>(bytes.data()));
  }

 private:
  static std::vector<ByteRange> to_ranges(const std::vector<std::pair<int64_t, int64_t>>& pairs) {
    std::vector<ByteRange> ranges;
    for (const auto& [offset, size] : pairs) ranges.push_back({offset, size});
    return ranges;
  }

  std::vector<Array> inputs_;
  std::vector<NumpyArray> outputs_;
  StepwiseRun run_;
};

// Gives Python's StepError the attribute `step`.
void register_step_error(nb::handle type) {
  nb::register_exception_translator(
      [](const std::exception_ptr& thrown, void* type) {
        try {
          std::rethrow_exception(thrown);
        } catch (const StepError& error) {
          nb::object value = nb::handle(static_cast<PyObject*>(type))(error.what());
          value.attr("step") = error.step();
          PyErr_SetObject(static_cast<PyObject*>(type), value.ptr());
        }
      },
      type.ptr());
}

std::vector<std::string> names(const std::vector<Isa>& isas) {
  std::vector<std::string> result;
  for (const Isa isa : isas) result.emplace_back(isa_name(isa));
  return result;
}

void define_machine(nb::module_& m) {
  m.def(
      "isas_compiled", [] { return names(isas_compiled()); },
      "Instruction sets in this build, weakest first.");
  m.def(
      "isas_supported", [] { return names(isas_supported()); },
      "Those of them that this CPU runs, weakest first.");
  m.def(
      "active_isa", [] { return std::string(isa_name(choose_isa(""))); },
      "The set a Program uses by default: ZEROSKIP_FORCE_ISA, else the strongest supported.");
  m.def(
      "multiplies_bf16", [](const std::string& isa) { return kernel_table(choose_isa(isa)).multiplies_bf16; },
      "isa"_a, "Whether an instruction set multiplies bf16 by an instruction.");
  m.def("available_cpus", &available_cpus, "CPUs this process may run on.");
  m.def(
      "peak_macs_per_ms",
      [](const std::optional<std::string>& isa, int num_threads) {
        return peak_macs_per_ms(choose_isa(isa.value_or("")), num_threads);
      },
      "isa"_a = nb::none(), "num_threads"_a = 1, nb::call_guard<GilRelease>(),
      "Measure the float32 multiply-accumulates that the threads complete in a millisecond at best (takes 10 "
      "ms).");
}

}  // namespace
}  // namespace zeroskip

NB_MODULE(_core, m) {
  using namespace zeroskip;
  // A session that lives until the interpreter ends (a global, a daemon thread's) is no leak worth a report.
  nb::set_leak_warnings(false);
  m.doc() = "Native core of zeroskip: executes plans of fused steps.";
  m.attr("__version__") = ZEROSKIP_VERSION;
  const auto error = nb::exception<Error>(m, "Error", PyExc_RuntimeError);
  register_step_error(nb::exception<StepError>(m, "StepError", error));

  define_machine(m);

  nb::class_<WeightStore>(m, "WeightStore", "Packed weights shared by the programs of one session.")
      .def(nb::init<>())
      .def_prop_ro("bytes", &WeightStore::bytes);

  nb::class_<ArenaPool>(m, "ArenaPool", "Memory that the programs of one session take turns with.")
      .def(nb::init<>())
      .def_prop_ro("bytes", &ArenaPool::bytes);

  nb::class_<Program>(m, "Program", "A validated, executable plan. Safe to run from several threads at once.")
      .def("__init__", &init_program, "tensors"_a, "steps"_a, "inputs"_a, "outputs"_a, "arena_bytes"_a,
           "num_threads"_a = 0, "isa"_a = nb::none(), "weights"_a = nb::none(), "memory"_a = nb::none())
      .def(
          "run", &run, "inputs"_a,
          "Run on arrays in the order of the graph inputs, of bf16 its bits as uint16; returns fresh arrays.")
      .def(
          "profile", &profile, "inputs"_a, "iterations"_a = 10,
          "Time every step: name, op, kernel, median_ms, min_ms, mean_ms, density (of a masked first input), "
          "steady_density (above it zeros gain nothing), and of the last run last_ms and tasks: (thread, "
          "begin, end) "
          "in ms from where the step began.")
      .def("replace_constants", &replace_constants, "step"_a, "arrays"_a, "names"_a, "weights"_a,
           "Make one step anew with other constants; not while a run is in progress.")
      .def_prop_ro("kernel_names", &Program::kernel_names)
      .def_prop_ro("plan_texts", &Program::plan_texts,
                   "By step: what it is going to do, in a few lines; empty for operators that plan nothing.")
      .def_prop_ro("isa", [](const Program& program) { return std::string(isa_name(program.isa())); })
      .def_prop_ro("num_threads", &Program::num_threads)
      .def_prop_ro("arena_bytes", &Program::arena_bytes)
      .def_prop_ro("scratch_bytes", &Program::scratch_bytes);

  nb::class_<BoundRun>(m, "StepwiseRun", "One run of a Program in pieces; for one thread.")
      .def(nb::init<const Program&, const nb::list&>(), "program"_a, "inputs"_a, nb::keep_alive<1, 2>())
      .def("run", &BoundRun::run, "first"_a, "last"_a, "counts"_a = false,
           "Run steps [first, last); with counts the densities of masked first inputs are kept.")
      .def("save", &BoundRun::save, "ranges"_a,
           "Return (offset, size) ranges of the arena as one uint8 array.")
      .def("load", &BoundRun::load, "ranges"_a, "bytes"_a, "Put back what save returned for the same ranges.")
      .def_prop_ro("densities", &BoundRun::densities, "By step: density of its first input, or None.")
      .def_prop_ro("outputs", &BoundRun::outputs, nb::rv_policy::automatic,
                   "The arrays that the last steps write to.");
}
