# packages: python3-lxml python3-bs4 python3-html5lib
from lxml import etree, html
from bs4 import BeautifulSoup
print(html.fromstring('<p>a<b>c</b></p>').xpath('//b/text()')); s=BeautifulSoup('<a href=x>y</a><p class=k>z','lxml'); print(s.a['href'], s.select('.k')[0].text, BeautifulSoup('<p>q','html5lib').p.text)
r=etree.Element('r'); etree.SubElement(r,'c').text='1'; etree.ElementTree(r).write('o.xml'); print(etree.parse('o.xml').getroot()[0].text)
