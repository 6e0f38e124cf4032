# packages: python3-openpyxl python3-docx python3-xlsxwriter python3-reportlab python3-pypdf2
import openpyxl, docx, xlsxwriter
from reportlab.pdfgen import canvas
w=openpyxl.Workbook(); w.active['A1']=3; w.save('x.xlsx'); print(openpyxl.load_workbook('x.xlsx').active['A1'].value)
d=docx.Document(); d.add_heading('T'); d.save('d.docx'); print(len(docx.Document('d.docx').paragraphs)); c=canvas.Canvas('r.pdf'); c.drawString(10,10,'x'); c.save(); import PyPDF2; print(len(PyPDF2.PdfReader('r.pdf').pages))
x=xlsxwriter.Workbook('y.xlsx'); x.add_worksheet().write(0,0,1); x.close()
