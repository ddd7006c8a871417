/* The Python face of the engine: one type, Model, around an opened file.
 *
 * Values come in as a dict by feature name or as a tuple or list in the order of the inputs; they
 * are turned into numbers first, and from there on no Python runs, so one scratch area per model
 * is enough while the GIL is held. Only large batches give the GIL away, with scratch of their own.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fdm.h"
#include "mathfn.h"

#define ROWS_WITHOUT_GIL 256

typedef struct {
    PyObject_HEAD
    Py_buffer view;
    int has_view, open;
    fdm_model model;
    PyObject *bound;     /* the tuple that keeps the following alive */
    PyObject *names;     /* tuple of str */
    PyObject *row_error; /* class(feature, problem) */
    PyObject **name;     /* by input */
    PyObject **codes;    /* by input: dict (str -> float), or NULL for a number */
    const char *nullable;
    double *slots, *scratch;
} Model;

/* ---- from Python values to the inputs of a row ---- */

static int row_error(const Model *self, PyObject *feature, const char *problem) {
    PyObject *error = PyObject_CallFunction(self->row_error, "Os", feature, problem);
    if (error) {
        PyErr_SetObject(self->row_error, error);
        Py_DECREF(error);
    }
    return -1;
}

static int input_error(const Model *self, Py_ssize_t i, const char *problem) {
    return row_error(self, self->name[i], problem);
}

static const char *const NULL_REFUSED = "is missing, and the model takes no missing value here";

static int read_null(const Model *self, Py_ssize_t i, double *out) {
    *out = NAN;
    if (self->nullable[i]) return 0;
    return input_error(self, i, NULL_REFUSED);
}

static int read_category(const Model *self, Py_ssize_t i, PyObject *codes, PyObject *item,
                         double *out) {
    if (!PyUnicode_Check(item)) return input_error(self, i, "must be a string");
    PyObject *code = PyDict_GetItemWithError(codes, item);
    if (!code && PyErr_Occurred()) return -1;
    *out = code ? PyFloat_AsDouble(code) : -1.0;
    return 0;
}

static int read_number(const Model *self, Py_ssize_t i, PyObject *item, double *out) {
    if (PyFloat_Check(item)) {
        *out = PyFloat_AsDouble(item);
    } else if (PyLong_Check(item)) {
        *out = PyLong_AsDouble(item);
        if (*out == -1.0 && PyErr_Occurred()) {
            PyErr_Clear();
            return input_error(self, i, "is too large for a number");
        }
    } else {
        return input_error(self, i, "must be a number");
    }
    return *out != *out ? read_null(self, i, out) : 0;
}

static int read_item(const Model *self, Py_ssize_t i, PyObject *item, double *out) {
    if (item == NULL || item == Py_None) return read_null(self, i, out);
    PyObject *codes = self->codes[i];
    return codes ? read_category(self, i, codes, item, out) : read_number(self, i, item, out);
}

static int unknown_key(const Model *self, PyObject *values) {
    PyObject *key, *value;
    Py_ssize_t position = 0;
    while (PyDict_Next(values, &position, &key, &value)) {
        int known = PySequence_Contains(self->names, key);
        if (known < 0) return -1;
        if (!known) return row_error(self, key, "is not a feature of this model");
    }
    return 0;
}

static int read_dict(const Model *self, PyObject *values, double *row) {
    Py_ssize_t found = 0;
    for (Py_ssize_t i = 0; i < (Py_ssize_t)self->model.n_inputs; i++) {
        PyObject *item = PyDict_GetItemWithError(values, self->name[i]);
        if (!item && PyErr_Occurred()) return -1;
        if (item) found++;
        if (read_item(self, i, item, row + i) < 0) return -1;
    }
    return found == PyDict_Size(values) ? 0 : unknown_key(self, values);
}

static int read_row(const Model *self, PyObject *values, double *row) {
    Py_ssize_t n = (Py_ssize_t)self->model.n_inputs;
    if (PyDict_Check(values)) return read_dict(self, values, row);
    int tuple = PyTuple_Check(values);
    if (!tuple && !PyList_Check(values)) {
        PyErr_SetString(PyExc_TypeError, "a row is a dict, a tuple or a list");
        return -1;
    }
    Py_ssize_t size = tuple ? PyTuple_Size(values) : PyList_Size(values);
    if (size != n) {
        PyErr_Format(PyExc_ValueError, "a row of %zd values for a model of %zd inputs", size, n);
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = tuple ? PyTuple_GetItem(values, i) : PyList_GetItem(values, i);
        if (!item || read_item(self, i, item, row + i) < 0) return -1;
    }
    return 0;
}

static int refused(const Model *self, const fdm_refusal *refusal) {
    if (refusal->why == FDM_NOT_A_NUMBER) return row_error(self, Py_None, "the score is not a number");
    uint32_t owner = self->model.owner[refusal->slot];
    PyObject *feature = owner == FDM_NONE ? Py_None : self->name[owner];
    const char *problem = refusal->why == FDM_NULL       ? NULL_REFUSED
                          : refusal->why == FDM_INFINITE ? "is infinite or too large for the model"
                                                         : "is a category that the model does not know";
    return row_error(self, feature, problem);
}

/* ---- scoring ---- */

static int require_bound(const Model *self) {
    if (self->bound) return 0;
    PyErr_SetString(PyExc_RuntimeError, "bind() comes before the first row");
    return -1;
}

static int run_values(Model *self, PyObject *values) {
    fdm_refusal refusal;
    if (require_bound(self) < 0 || read_row(self, values, self->slots) < 0) return -1;
    fdm_fpu fpu = fdm_fpu_enter();
    fdm_run(&self->model, self->slots, 1, self->scratch, &refusal);
    fdm_fpu_leave(fpu);
    return refusal.why == FDM_OK ? 0 : refused(self, &refusal);
}

static PyObject *score_one(Model *self, PyObject *values) {
    if (run_values(self, values) < 0) return NULL;
    return PyFloat_FromDouble(self->slots[self->model.score]);
}

static PyObject *list_of(const double *x, size_t n) {
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list && i < n; i++) {
        PyObject *item = PyFloat_FromDouble(x[i]);
        if (!item || PyList_SetItem(list, (Py_ssize_t)i, item) < 0) Py_CLEAR(list);
    }
    return list;
}

static PyObject *trace(Model *self, PyObject *values) {
    if (run_values(self, values) < 0) return NULL;
    return list_of(self->slots, self->model.n_slots);
}

/* Scores n rows of inputs that lie together. */
static void run_rows(const fdm_model *m, const double *inputs, size_t n, double *slots,
                     double *scratch, double *out) {
    fdm_refusal refusals[FDM_BLOCK];
    fdm_fpu fpu = fdm_fpu_enter();
    for (size_t first = 0; first < n; first += FDM_BLOCK) {
        size_t rows = n - first < FDM_BLOCK ? n - first : FDM_BLOCK;
        for (size_t r = 0; r < rows; r++)
            memcpy(slots + r * m->n_slots, inputs + (first + r) * m->n_inputs,
                   m->n_inputs * sizeof(double));
        fdm_run(m, slots, rows, scratch, refusals);
        for (size_t r = 0; r < rows; r++)
            out[first + r] = refusals[r].why == FDM_OK ? slots[r * m->n_slots + m->score] : NAN;
    }
    fdm_fpu_leave(fpu);
}

static int run_batch(const Model *self, const double *inputs, size_t n, double *out) {
    const fdm_model *m = &self->model;
    size_t block = n < FDM_BLOCK ? n : FDM_BLOCK;
    double *slots = malloc((block * m->n_slots + 1) * sizeof *slots);
    double *scratch = malloc(fdm_scratch_size(m, block) + sizeof *scratch);
    if (slots && scratch) {
        if (n >= ROWS_WITHOUT_GIL) {
            Py_BEGIN_ALLOW_THREADS
            run_rows(m, inputs, n, slots, scratch, out);
            Py_END_ALLOW_THREADS
        } else {
            run_rows(m, inputs, n, slots, scratch, out);
        }
    }
    int done = slots && scratch;
    free(slots);
    free(scratch);
    if (!done) PyErr_NoMemory();
    return done ? 0 : -1;
}

/* A row that cannot be read is all NaN here, and refused or not it comes out as NaN. */
static int read_rows(const Model *self, PyObject *rows, size_t n, double *inputs, char *unreadable) {
    for (size_t r = 0; r < n; r++) {
        PyObject *values = PySequence_GetItem(rows, (Py_ssize_t)r);
        if (!values) return -1;
        double *row = inputs + r * self->model.n_inputs;
        unreadable[r] = read_row(self, values, row) < 0;
        Py_DECREF(values);
        if (!unreadable[r]) continue;
        if (!PyErr_ExceptionMatches(self->row_error)) return -1;
        PyErr_Clear();
        for (uint32_t i = 0; i < self->model.n_inputs; i++) row[i] = NAN;
    }
    return 0;
}

static PyObject *score_rows(Model *self, PyObject *rows) {
    if (require_bound(self) < 0) return NULL;
    Py_ssize_t size = PySequence_Size(rows);
    if (size < 0) return NULL;
    size_t n = (size_t)size;
    if (n > (SIZE_MAX >> 5) / self->model.n_inputs) return PyErr_NoMemory();
    double *inputs = malloc((n * self->model.n_inputs + 1) * sizeof *inputs);
    double *out = malloc((n + 1) * sizeof *out);
    char *unreadable = malloc(n + 1);
    PyObject *result = NULL;
    if (!inputs || !out || !unreadable) {
        PyErr_NoMemory();
    } else if (read_rows(self, rows, n, inputs, unreadable) == 0 &&
               run_batch(self, inputs, n, out) == 0) {
        for (size_t r = 0; r < n; r++)
            if (unreadable[r]) out[r] = NAN;
        result = list_of(out, n);
    }
    free(inputs);
    free(out);
    free(unreadable);
    return result;
}

/* A view on contiguous doubles; the caller releases it. */
static int doubles(PyObject *object, Py_buffer *view, int writable) {
    int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(object, view, flags) < 0) return -1;
    if (view->itemsize == sizeof(double) && view->format && strcmp(view->format, "d") == 0) return 0;
    PyBuffer_Release(view);
    PyErr_SetString(PyExc_TypeError, "a contiguous buffer of doubles is needed");
    return -1;
}

static PyObject *score_matrix(Model *self, PyObject *args) {
    PyObject *matrix, *target;
    Py_buffer in, out;
    if (!PyArg_ParseTuple(args, "OO:score_matrix", &matrix, &target)) return NULL;
    if (doubles(matrix, &in, 0) < 0) return NULL;
    if (doubles(target, &out, 1) < 0) {
        PyBuffer_Release(&in);
        return NULL;
    }
    size_t n = (size_t)out.len / sizeof(double);
    int status = -1;
    if ((size_t)in.len / sizeof(double) != n * self->model.n_inputs)
        PyErr_SetString(PyExc_ValueError, "the matrix must hold one row of inputs for each score");
    else
        status = run_batch(self, in.buf, n, out.buf);
    PyBuffer_Release(&in);
    PyBuffer_Release(&out);
    if (status < 0) return NULL;
    Py_RETURN_NONE;
}

/* ---- reasons ---- */

static int require_reference(const Model *self) {
    if (self->model.reference) return 0;
    PyErr_SetString(PyExc_ValueError, "this model was compiled without reference rows: no reasons");
    return -1;
}

/* The positions of the `top` largest contributions by size, zero ones left out; ties by position. */
static size_t largest(const double *phi, size_t n, size_t top, uint32_t *chosen) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (phi[i] == 0.0) continue;
        size_t at = count < top ? count++ : top;
        while (at > 0 && fabs(phi[i]) > fabs(phi[chosen[at - 1]])) {
            if (at < top) chosen[at] = chosen[at - 1];
            at--;
        }
        if (at < top) chosen[at] = (uint32_t)i;
    }
    return count;
}

static PyObject *reasons(const Model *self, const double *phi, size_t top) {
    size_t n = self->model.n_inputs;
    if (top > n) top = n;
    uint32_t *chosen = malloc((top + 1) * sizeof *chosen);
    if (!chosen) return PyErr_NoMemory();
    size_t count = top ? largest(phi, n, top, chosen) : 0;
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list && i < count; i++) {
        PyObject *item = Py_BuildValue("(Od)", self->name[chosen[i]], phi[chosen[i]]);
        if (!item || PyList_SetItem(list, (Py_ssize_t)i, item) < 0) Py_CLEAR(list);
    }
    free(chosen);
    return list;
}

static PyObject *explain(Model *self, PyObject *args) {
    PyObject *values;
    Py_ssize_t top;
    if (!PyArg_ParseTuple(args, "On:explain", &values, &top)) return NULL;
    if (require_reference(self) < 0 || run_values(self, values) < 0) return NULL;
    double *phi = malloc(self->model.n_inputs * sizeof *phi);
    if (!phi) return PyErr_NoMemory();
    fdm_fpu fpu = fdm_fpu_enter();
    int status = fdm_explain(&self->model, self->slots, phi);
    fdm_fpu_leave(fpu);
    PyObject *result = status < 0 ? PyErr_NoMemory() : reasons(self, phi, top < 0 ? 0 : (size_t)top);
    free(phi);
    return result;
}

static PyObject *reference(Model *self, PyObject *unused) {
    (void)unused;
    if (require_reference(self) < 0) return NULL;
    return list_of(self->model.reference, self->model.n_slots);
}

/* ---- the life of a model ---- */

static int open_view(Model *self, PyObject *data) {
    if (PyObject_GetBuffer(data, &self->view, PyBUF_SIMPLE) < 0) return -1;
    self->has_view = 1;
    const char *wrong;
    /* Every node is looked at, which takes a while, and a process answers meanwhile. */
    Py_BEGIN_ALLOW_THREADS
    fdm_fpu fpu = fdm_fpu_enter();
    wrong = fdm_open(&self->model, self->view.buf, (size_t)self->view.len);
    fdm_fpu_leave(fpu);
    Py_END_ALLOW_THREADS
    if (wrong) {
        PyErr_SetString(PyExc_ValueError, wrong);
        return -1;
    }
    self->open = 1;
    self->slots = calloc(self->model.n_slots, sizeof(double));
    self->scratch = malloc(fdm_scratch_size(&self->model, 1));
    if (self->slots && self->scratch) return 0;
    PyErr_NoMemory();
    return -1;
}

static PyObject *model_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    PyObject *data;
    (void)keywords;
    if (!PyArg_ParseTuple(args, "O:Model", &data)) return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Model *self = (Model *)allocate(type, 0);
    if (self && open_view(self, data) < 0) Py_CLEAR(self);
    return (PyObject *)self;
}

static void model_dealloc(Model *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    if (self->open) fdm_close(&self->model);
    if (self->has_view) PyBuffer_Release(&self->view);
    Py_CLEAR(self->bound);
    free(self->name);
    free(self->codes);
    free(self->slots);
    free(self->scratch);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *bind(Model *self, PyObject *args) {
    PyObject *names, *categories, *nullable, *error;
    if (!PyArg_ParseTuple(args, "O!O!SO:bind", &PyTuple_Type, &names, &PyTuple_Type, &categories,
                          &nullable, &error))
        return NULL;
    Py_ssize_t n = (Py_ssize_t)self->model.n_inputs;
    if (PyTuple_Size(names) != n || PyTuple_Size(categories) != n || PyBytes_Size(nullable) != n)
        return PyErr_Format(PyExc_ValueError, "the file's program has %zd inputs", n);
    if (self->bound) return PyErr_Format(PyExc_RuntimeError, "bound already");
    free(self->name);
    free(self->codes);
    self->name = calloc((size_t)n, sizeof *self->name);
    self->codes = calloc((size_t)n, sizeof *self->codes);
    if (!self->name || !self->codes) return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *codes = PyTuple_GetItem(categories, i);
        self->name[i] = PyTuple_GetItem(names, i);
        self->codes[i] = codes == Py_None ? NULL : codes;
        if (!PyUnicode_Check(self->name[i]) || (self->codes[i] && !PyDict_Check(codes)))
            return PyErr_Format(PyExc_TypeError, "names are str, categories dict or None");
    }
    self->names = names;
    self->nullable = PyBytes_AsString(nullable);
    self->row_error = error;
    Py_INCREF(args);
    self->bound = args;
    Py_RETURN_NONE;
}

static PyObject *get_header(Model *self, void *unused) {
    (void)unused;
    return PyBytes_FromStringAndSize(self->model.header, (Py_ssize_t)self->model.header_size);
}

static PyObject *get_shape(Model *self, void *unused) {
    (void)unused;
    const fdm_model *m = &self->model;
    return Py_BuildValue("(IIII)", m->n_inputs, m->n_slots, m->score, m->explained);
}

static PyObject *get_explains(Model *self, void *unused) {
    (void)unused;
    return PyBool_FromLong(self->model.reference != NULL);
}

/* For the tests of the error bounds. */
static PyObject *math_function(PyObject *module, PyObject *args) {
    const char *name;
    double x;
    (void)module;
    if (!PyArg_ParseTuple(args, "sd:math_function", &name, &x)) return NULL;
    static const struct { const char *name; double (*function)(double); } table[] = {
        {"exp", fdm_exp}, {"exp2", fdm_exp2}, {"log", fdm_log}, {"log1p", fdm_log1p}, {"expit", fdm_expit}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(name, table[i].name)) continue;
        fdm_fpu fpu = fdm_fpu_enter();
        double y = table[i].function(x);
        fdm_fpu_leave(fpu);
        return PyFloat_FromDouble(y);
    }
    return PyErr_Format(PyExc_ValueError, "no function %s", name);
}

static PyMethodDef model_methods[] = {
    {"bind", (PyCFunction)bind, METH_VARARGS, "Names, categories and nullability of the inputs."},
    {"score_one", (PyCFunction)score_one, METH_O, "The score of a row."},
    {"score_rows", (PyCFunction)score_rows, METH_O, "The scores of rows; NaN marks a refused one."},
    {"score_matrix", (PyCFunction)score_matrix, METH_VARARGS, "The same from doubles into doubles."},
    {"trace", (PyCFunction)trace, METH_O, "Every slot of the program for a row."},
    {"explain", (PyCFunction)explain, METH_VARARGS, "(name, contribution) of the largest ones."},
    {"reference", (PyCFunction)reference, METH_NOARGS, "Every slot at the reference."},
    {NULL, NULL, 0, NULL}};

static PyGetSetDef model_getters[] = {
    {"header", (getter)get_header, NULL, "The JSON header's bytes.", NULL},
    {"shape", (getter)get_shape, NULL, "Inputs, slots, slot of the score, explained slot.", NULL},
    {"explains", (getter)get_explains, NULL, "Whether explain() works.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot model_slots[] = {{Py_tp_new, model_new},
                                    {Py_tp_dealloc, model_dealloc},
                                    {Py_tp_methods, model_methods},
                                    {Py_tp_getset, model_getters},
                                    {Py_tp_doc, "An opened and checked .fdm."},
                                    {0, NULL}};

static PyType_Spec model_spec = {"fraud_scorer.engine._walk.Model", sizeof(Model), 0,
                                 Py_TPFLAGS_DEFAULT, model_slots};

static PyMethodDef module_methods[] = {
    {"math_function", math_function, METH_VARARGS, "One of the engine's own functions."},
    {NULL, NULL, 0, NULL}};

static int module_exec(PyObject *module) {
    PyObject *type = PyType_FromSpec(&model_spec);
    if (!type) return -1;
    int status = PyModule_AddObject(module, "Model", type);
    if (status < 0) {
        Py_DECREF(type);
        return -1;
    }
    return PyModule_AddIntConstant(module, "FORMAT_VERSION", FDM_VERSION);
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};

static struct PyModuleDef module_def = {.m_base = PyModuleDef_HEAD_INIT,
                                        .m_name = "fraud_scorer.engine._walk",
                                        .m_doc = "The compiled inference engine.",
                                        .m_size = 0,
                                        .m_methods = module_methods,
                                        .m_slots = module_slots};

PyMODINIT_FUNC PyInit__walk(void) { return PyModuleDef_Init(&module_def); }
